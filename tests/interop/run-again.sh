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
expect nothing_left until_true 10 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -e -tu | grep -q 'python'"

# weft is killed: who waits for a datagram hears of it
for call in 'recv(10)' 'recvfrom(10)' 'recvmsg(10, 100)'; do
	rm -f "$DIR/ready"
	run python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((\"\", 0))
print(\"ready\", flush=True)
s.$call" >"$DIR/ready" 2>"$DIR/said" &
	waiting=$!
	until_true 10 grep -q ready "$DIR/ready"
	kill -9 "$WEFT_PID"
	wait "$WEFT_PID" 2>/dev/null
	WEFT_PID=
	wait $waiting
	expect "killed_weft_ends_${call%%(*}" grep -q 'Network is down' "$DIR/said"
	weft_up
done
expect weft_ends weft_down
exit $failed
