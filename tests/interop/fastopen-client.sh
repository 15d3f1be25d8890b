#!/bin/bash
# Fast Open with weft as the client: the host's kernel gives the cookie and takes the data of the SYNs that bring it.
# The kernel's counters say so, and a capture of what went over the wire.
. tests/harness/net.sh
need python3 nstat tcpdump
net_begin
ip -n "$NS" tuntap add dev tap0 mode tap
ip -n "$NS" addr add 10.0.0.2/24 dev tap0
ip -n "$NS" link set tap0 up
host sysctl -qw net.ipv4.tcp_fastopen=2

# times FILTER: how many packets of the capture it fits.
times() {
	tcpdump -n -r "$DIR/pcap" "tcp dst port 7 and $1" 2>/dev/null | wc -l
}

# opens TIMES: that often, in one stack, so that the cookie is remembered.
opens() {
	host timeout 20 "$WEFT_BUILD/tests/examples/fast_open" tap:tap0 10.0.0.1/24 10.0.0.2 7 "$1"
}

# kernel_counts NAME
kernel_counts() {
	host nstat -asz "TcpExt$1" | awk -v name="TcpExt$1" '$1 == name { print $2 }'
}

SYN='tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn'
LEN='ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 240) >> 2)'
ip netns exec "$NS" python3 tests/harness/echo_fast.py 10.0.0.2 7 </dev/null &
server=$!
host_listens 7
host_capture "$DIR/pcap"
expect data_go_with_the_syn seen '^5 of 6 SYNs had their data taken$' opens 6
expect kernel_took_them [ "$(kernel_counts TCPFastOpenPassive)" = 5 ]
expect kernel_gave_one_cookie [ "$(kernel_counts TCPFastOpenCookieReqd)" = 1 ]
expect kernel_refused_none [ "$(kernel_counts TCPFastOpenPassiveFail)" = 0 ]

# A server that gives no cookie: all data go behind the handshake.
host sysctl -qw net.ipv4.tcp_fastopen=0
expect without_cookie_data_go_behind seen '^0 of 1 SYNs had their data taken$' opens 1
host_capture_end
expect syns_on_the_wire [ "$(times "$SYN")" = 7 ]
expect syns_with_data [ "$(times "$SYN and $LEN > 0")" = 5 ]
kill $server
wait $server 2>/dev/null
exit $failed
