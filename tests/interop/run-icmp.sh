#!/bin/bash
# `weft run`: ICMP datagram and raw sockets, control messages and the error queue of datagrams.
. tests/harness/net.sh
need python3
net_begin
weft_up -c inetd

run() {
	timeout 30 "$WEFT" run --control "$DIR/control" -- "$@"
}

host python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.2", 5000))
while True:
	s.sendto(*s.recvfrom(70000))' &
echo=$!
until_true 10 bash -c "ip netns exec '$NS' ss -lun | grep -q ':5000 '"
expect control_messages run python3 tests/harness/run_control.py 10.0.0.2 5000 99
expect control_messages_of_weft run python3 tests/harness/run_control.py 10.0.0.1 7 99
expect icmp_sockets run python3 tests/harness/run_icmp.py 10.0.0.2
kill $echo
wait $echo 2>/dev/null
run setpriv --bounding-set=-net_raw --inh-caps=-net_raw python3 -c '
import socket
socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)' 2>"$DIR/said"
expect raw_wants_the_capability grep -q 'Operation not permitted' "$DIR/said"
nobody() {
	run setpriv --reuid=65534 --clear-groups /usr/bin/python3 -c "import socket; socket.socket(socket.AF_INET, $1, 1)"
}
nobody socket.SOCK_RAW 2>"$DIR/said"
expect raw_wants_root grep -q 'Operation not permitted' "$DIR/said"
expect echo_wants_no_right nobody socket.SOCK_DGRAM
expect nothing_left until_true 10 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -p -wu | grep -q python"
expect weft_ends weft_down
exit $failed
