#!/bin/bash
# 500 concurrent connections to echo, each with data of its own; curl; a half-close each way.
. tests/harness/net.sh
need python3 curl nc socat
net_begin
weft_up -c 'inetd; httpd 80'
ctl stat >"$DIR/before"

expect echo_500_exact host timeout 120 python3 tests/harness/echo_many.py 10.0.0.1 7 500 20000
expect curl_hello host curl -sv --max-time 10 http://10.0.0.1/hello
expect curl_bytes bash -c "ip netns exec $NS curl -s --max-time 20 http://10.0.0.1/bytes/3000000 | wc -c | grep -qx 3000000"
expect curl_keepalive host curl -s --max-time 10 -o /dev/null http://10.0.0.1/hello -o /dev/null http://10.0.0.1/hello
head -c 300000 /dev/urandom >"$DIR/file"
host timeout 20 nc -N 10.0.0.1 7 <"$DIR/file" >"$DIR/echoed"
expect half_close_to_weft cmp "$DIR/file" "$DIR/echoed"

# nc ends when its peer half-closes; socat goes on.
host timeout 20 socat -t 10 STDIO TCP-LISTEN:4000,bind=10.0.0.2 <"$DIR/file" >"$DIR/got" &
nc=$!
host_listens 4000
echo asked | timeout 20 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:4000 >"$DIR/answer"
wait $nc
expect half_close_from_weft cmp "$DIR/file" "$DIR/answer"
expect half_close_question grep -qx asked "$DIR/got"
expect refused_is_told bash -c "! ip netns exec $NS nc -w 5 10.0.0.1 81 </dev/null"
expect weft_ends weft_down
exit $failed
