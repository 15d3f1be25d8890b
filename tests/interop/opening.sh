#!/bin/bash
# Fast Open and SYN cookies with the host kernel as the client.
. tests/harness/net.sh
need python3 curl tcpdump tshark
net_begin
weft_up -c 'sysctl net.ipv4.tcp_fastopen=1027; inetd; httpd 80'
host sysctl -qw net.ipv4.tcp_fastopen=1

# count NAME: a counter of weft's.
count() {
	ctl nstat -a | awk -v n="TcpExt$1" '$1 == n { print $2 }'
}

expect fast_open_echoes host timeout 60 python3 tests/harness/fast_open.py 10.0.0.1 7 6
fast=$(tail -n 1 "$DIR/out")
expect first_without_then_fast [ "$fast" = 5 ]
expect as_many_counted [ "$(count TCPFastOpenPassive)" = 5 ]
expect cookie_was_asked_for [ "$(count TCPFastOpenCookieReqd)" = 1 ]

host_capture "$DIR/pcap"
expect cookies_for_all ctl sysctl net.ipv4.tcp_syncookies=2
expect echo_through_cookies host timeout 120 python3 tests/harness/echo_many.py 10.0.0.1 7 200 20000
expect bytes_through_cookies bash -c "ip netns exec $NS curl -s --max-time 20 http://10.0.0.1/bytes/3000000 | wc -c | grep -qx 3000000"
expect cookies_came_back [ "$(count SyncookiesRecv)" -ge 201 ]
host_capture_end
# SyncookiesFailed does not tell: a FIN that is probed for (RFC 8985, 7) is acknowledged twice, and the second ACK
# comes when the connection has ended by the first.
refused() {
	tshark -r "$DIR/pcap" -Y 'ip.src == 10.0.0.1 and tcp.flags.reset == 1 and tcp.seq == 1' 2>/dev/null
}
expect no_handshake_refused [ -z "$(refused)" ]
expect weft_ends weft_down
exit $failed
