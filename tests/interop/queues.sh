#!/bin/bash
# A TAP of two queues: one reading thread each, connections spread over both, bytes in order.
. tests/harness/net.sh
need ping nc python3 ps
net_begin
weft_up --queues 2 -c 'inetd; httpd 80'
ps -T -o comm= -p "$WEFT_PID" >"$DIR/threads"
expect two_readers grep -qx netdev/1 "$DIR/threads"
expect host_ping host ping -q -c 20 -i 0.01 -W 2 10.0.0.1
expect echo_100_exact host timeout 30 python3 tests/harness/echo_many.py 10.0.0.1 7 100 100000
head -c 30000000 /dev/urandom >"$DIR/file"
host timeout 30 nc -N 10.0.0.1 7 <"$DIR/file" >"$DIR/came"
expect echo_30mb_equal cmp "$DIR/file" "$DIR/came"
expect weft_ends weft_down
expect device_is_gone sh -c "! ip -n $NS link show tap0 2>/dev/null"
exit $failed
