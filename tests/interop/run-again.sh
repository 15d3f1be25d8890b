#!/bin/bash
# `weft run`: sockets connected anew, shut, over, refused; weft killed under datagram sockets.
. tests/harness/net.sh
need python3
net_begin
weft_up -c inetd
host sysctl -qw net.ipv4.icmp_ratemask=0

run() {
	timeout 60 "$WEFT" run --control "$DIR/control" -- "$@"
}

expect again_on_weft run python3 tests/harness/run_again.py 10.0.0.1 7 99
expect again_notified timeout 60 "$WEFT" run --control "$DIR/control" --mode notify -- python3 tests/harness/run_again.py 10.0.0.1 7 99 \
	connected_anew refused_first listens_after_refusal duplicates shut over only_six
expect nothing_left until_true 10 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -e -tu | grep -q 'python'"

# waits NAME MODE SIGNAL FIRST CALL SAYS: weft is ended by the signal while the program waits in the call, and that says so.  A
# connected socket hears nobody but its peer.
waits() {
	rm -f "$DIR/ready"
	timeout 60 "$WEFT" run --control "$DIR/control" --mode "$2" -- python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((\"\", 0))
$4
print(\"ready\", flush=True)
$5" >"$DIR/ready" 2>"$DIR/said" &
	waiting=$!
	until_true 10 grep -q ready "$DIR/ready"
	kill "-$3" "$WEFT_PID"
	wait "$WEFT_PID" 2>/dev/null
	WEFT_PID=
	wait $waiting
	expect "weft_ends_$1" grep -q "$6" "$DIR/said"
	weft_up -c inetd
}

connect='s.connect(("10.0.0.2", 9))'
for call in 'recv(10)' 'recvfrom(10)' 'recvmsg(10, 100)'; do
	waits "${call%%(*}" preload KILL '' "s.$call" 'Network is down'
	waits "connected_${call%%(*}" preload KILL "$connect" "s.$call" 'Network is down'
done
waits in_order preload TERM '' 's.recv(10)' 'Network is down'
waits in_order_connected preload TERM "$connect" 's.recv(10)' 'Network is down'
waits poll preload KILL "$connect" 'import select; p = select.poll(); p.register(s, 1); p.poll(); s.recv(10)' 'Network is down'
waits notify notify KILL '' 's.recv(10)' 'Connection reset'
waits notify_connected notify KILL "$connect" 's.recv(10)' 'Connection reset'
waits notify_recvfrom notify KILL "$connect" 's.recvfrom(10)' 'Network is down'
waits notify_in_order notify TERM "$connect" 's.recv(10)' 'Connection reset'
expect weft_ends weft_down
exit $failed
