#!/bin/bash
# A TUN device: IP without ethernet.
. tests/harness/net.sh
need ping curl nc
net_begin
weft_up --dev tun:tun0 --addr 10.0.0.1/24 --host-addr 10.0.0.2/24 -c 'inetd; httpd 80'
expect host_ping host ping -q -c 5 -i 0.01 -W 2 10.0.0.1
expect host_ping_60000 host ping -q -c 2 -i 0.05 -s 60000 -W 2 10.0.0.1
expect weft_ping ctl ping -c 2 -i 0.05 -s 3000 10.0.0.2
expect curl_hello host curl -sf --max-time 10 http://10.0.0.1/hello
head -c 20000000 /dev/urandom >"$DIR/file"
host timeout 30 nc -N 10.0.0.1 7 <"$DIR/file" >"$DIR/came"
expect echo_20mb_equal cmp "$DIR/file" "$DIR/came"
expect weft_ends weft_down
expect device_is_gone sh -c "! ip -n $NS link show tun0 2>/dev/null"
exit $failed
