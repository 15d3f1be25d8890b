#!/bin/bash
# 500 readers that never read pin a bounded memory, and others are served meanwhile.
. tests/harness/net.sh
need python3 nc
net_begin
weft_up -c 'inetd; httpd 80'
ctl sysctl net.weft.mem_limit=67108864
limit=67108864
mkfifo "$DIR/stay"

rss() {
	awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$WEFT_PID/status"
}

# steady: what is queued no longer grows.
steady() {
	steady_was=$(gauge snd_bytes)
	sleep 0.3 # the time that is looked at
	[ "$(gauge snd_bytes)" = "$steady_was" ]
}

ip netns exec "$NS" timeout 60 python3 tests/harness/never_read.py 10.0.0.1 19 500 "$DIR/stuck" <"$DIR/stay" >"$DIR/readers" 2>&1 &
readers=$!
exec 3>"$DIR/stay"
expect readers_connect until_true 25 test -e "$DIR/stuck"
expect queues_are_steady until_true 25 steady
bytes=$(gauge piece_bytes)
echo "queued $(gauge snd_bytes), pieces $bytes, depot $(gauge depot_bytes), resident $(rss)"
expect something_is_queued test "$(gauge snd_bytes)" -gt 1000000
expect pieces_within_the_limit test "$bytes" -le $limit
expect resident_is_bounded test "$(rss)" -le $((6 * limit)) # sanitizers keep a shadow
expect others_are_answered host ping -q -c 3 -i 0.01 -W 2 10.0.0.1
expect others_are_served host curl -sf --max-time 10 -o /dev/null http://10.0.0.1/hello
exec 3>&-
wait $readers

gone() {
	[ "$(gauge snd_bytes)" = 0 ] && [ "$(gauge tcp_established)" = 0 ]
}
expect all_comes_back until_true 20 gone

# The other way: a program of weft that reads one of ten, whose output nobody takes.
rm -f "$DIR/stuck"
mkfifo "$DIR/unread"
exec 4<>"$DIR/unread"
ctl_start snc -b 0.0.0.0:1234 -k >&4 2>&1 </dev/null
server=$CTL_PID
weft_listens 1234
ip netns exec "$NS" timeout 60 python3 tests/harness/never_read.py 10.0.0.1 1234 10 "$DIR/stuck" send <"$DIR/stay" >"$DIR/readers" 2>&1 &
readers=$!
exec 3>"$DIR/stay"
expect writers_are_stuck until_true 25 test -e "$DIR/stuck"
echo "received $(gauge rcv_bytes), pieces $(gauge piece_bytes)"
expect received_is_bounded test "$(gauge piece_bytes)" -le $limit
expect writers_leave_room host curl -sf --max-time 10 -o /dev/null http://10.0.0.1/hello
exec 3>&-
wait $readers
kill -INT $server 2>/dev/null
wait $server
expect weft_ends weft_down
exit $failed
