#!/bin/bash
# Forwarding to a second network behind weft, and each ICMP error as ping, traceroute and nc of the host see it.
. tests/harness/net.sh
need ping traceroute nc tcpdump python3
net_begin
FAR=$NS-far
trap 'ip netns del "$FAR" 2>/dev/null; net_end' EXIT
ip netns add "$FAR"
ip -n "$FAR" link set lo up
weft_up --dev tap:tap0 --addr 10.0.0.1/24 --host-addr 10.0.0.2/24 \
	--dev tap:tap1 --addr 10.0.1.1/24 --host-addr none --mtu 1000 -c inetd
ip -n "$NS" link set tap1 netns "$FAR"
ip -n "$FAR" addr add 10.0.1.2/24 dev tap1
ip -n "$FAR" link set tap1 up mtu 1000
ip -n "$FAR" route add default via 10.0.1.1
ip -n "$NS" route add 10.0.1.0/24 via 10.0.0.1
ip -n "$NS" route add 10.0.8.0/23 via 10.0.0.1
ctl sysctl net.ipv4.icmp_ratelimit=0 net.ipv4.neigh.default.retrans_time_ms=100 net.ipv4.ipfrag_time=1

# told NAME PATTERN COMMAND...: the command prints it, whatever its status.
told() {
	told_name=$1 told_pattern=$2
	shift 2
	host "$@" >"$DIR/told" 2>&1
	if grep -Eq "$told_pattern" "$DIR/told"; then
		pass "$told_name"
	else
		sed 's/^/  | /' "$DIR/told"
		fail "$told_name" "no '$told_pattern'"
	fi
}

far() {
	ip netns exec "$FAR" "$@"
}

# heard NAME PATTERN: the host's tcpdump saw it.
heard() {
	if tcpdump -n -v -r "$DIR/cap" 2>/dev/null | grep -Eq "$2"; then
		pass "$1"
	else
		tcpdump -n -r "$DIR/cap" icmp 2>/dev/null | tail -n 20 | sed 's/^/  | /'
		fail "$1" "no '$2' on the wire"
	fi
}

ctl_start debug ip >"$DIR/debug" 2>&1 </dev/null
debug=$CTL_PID
until_true 10 seen debug ctl jobs
expect forwards host ping -q -c 3 -i 0.01 -W 2 10.0.1.2
expect forwarding_is_told until_true 10 \
	grep -qx 'ip forward tap0 to tap1: 10\.0\.0\.2 > 10\.0\.1\.2, ttl 63, next hop 10\.0\.1\.2' "$DIR/debug"
kill -INT $debug
wait $debug
told forwards_all ' 0% packet loss' ping -q -c 20 -i 0.01 -W 2 10.0.1.2
told forwards_fragments ' 0% packet loss' ping -q -M dont -c 3 -i 0.05 -s 9000 -W 2 10.0.1.2
expect forwards_back far ping -q -c 3 -i 0.01 -W 2 10.0.0.2

# A connection through weft: super-frames cut to the smaller MTU, or frag-needed to the sender.
head -c 5000000 /dev/urandom >"$DIR/file"
far timeout 20 nc -l 10.0.1.2 4000 >"$DIR/came" </dev/null &
server=$!
until_true 10 seen ':4000\b' far ss -ltn
host timeout 20 nc -N 10.0.1.2 4000 <"$DIR/file"
wait $server
expect tcp_through_smaller_mtu cmp "$DIR/file" "$DIR/came"
ip -n "$NS" route flush cache
host timeout 20 nc -l 10.0.0.2 4001 >"$DIR/came" </dev/null &
server=$!
host_listens 4001
far timeout 20 nc -N 10.0.0.2 4001 <"$DIR/file"
wait $server
expect tcp_through_from_smaller_mtu cmp "$DIR/file" "$DIR/came"

host_capture "$DIR/cap" icmp
told ttl_exceeded_ping 'From 10.0.0.1 .*Time to live exceeded' ping -c 1 -t 1 -W 2 10.0.1.2
told traceroute_two_hops '^ *2 +10\.0\.1\.2 ' traceroute -n -w 2 -q 1 10.0.1.2
expect traceroute_first_hop grep -Eq '^ *1 +10\.0\.0\.1 ' "$DIR/told"
ip -n "$NS" route flush cache
told frag_needed '(mtu = 1000|mtu=1000)' ping -c 1 -M 'do' -s 1400 -W 2 10.0.1.2
told host_unreachable 'From 10.0.0.1 .*Destination Host Unreachable' ping -c 1 -W 3 10.0.1.77
told net_unreachable 'From 10.0.0.1 .*Destination Net Unreachable' ping -c 1 -W 2 10.0.8.1
host sh -c 'echo x | nc -u -w 1 10.0.0.1 9999' >/dev/null 2>&1
told port_unreachable_traceroute '^ *1 +10\.0\.0\.1 ' traceroute -n -w 2 -q 1 10.0.0.1
told protocol_unreachable '!P' traceroute -n -w 2 -q 1 -P 253 10.0.0.1

# The next hop is on the network the datagram came from.
ip -n "$NS" addr add 10.0.0.3/24 dev tap0
ctl route add 10.0.9.0/24 via 10.0.0.3
told redirect_ping 'Redirect Host.*10\.0\.0\.3' ping -c 1 -W 1 10.0.9.1

# Redirects that weft gets are counted and told, and followed only when it is to.
ctl route add 192.0.2.0/24 via 10.0.0.2
ip -n "$NS" route add 192.0.2.0/24 via 10.0.0.77
ip -n "$NS" neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev tap0
host sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.tap0.send_redirects=1
ctl ping -c 1 -W 0.1 192.0.2.1 >"$DIR/told"
expect redirect_is_told grep -qx 'From 10\.0\.0\.2 icmp_seq=1 Redirect Host (New nexthop: 10\.0\.0\.77)' "$DIR/told"
expect redirect_is_counted seen '^IcmpInRedirects +1 ' ctl nstat
expect redirect_is_not_followed seen '^192\.0\.2\.1 via 10\.0\.0\.2 ' ctl route get 192.0.2.1
ctl sysctl net.ipv4.conf.all.accept_redirects=1
ctl ping -c 1 -W 0.1 192.0.2.2 >/dev/null
expect redirect_is_followed seen '^192\.0\.2\.2 via 10\.0\.0\.77 ' ctl route get 192.0.2.2

ctl netem tap0 in drop-frag last
# Linux tells no program of this one: the wire is the witness.
told reassembly_no_answer '100% packet loss' ping -c 1 -s 3000 -W 1 10.0.0.1
until_true 5 seen 'reassembly time' tcpdump -n -r "$DIR/cap"
ctl netem tap0 off
host_capture_end

heard port_unreachable_nc 'udp port 9999 unreachable'
heard redirect_on_the_wire 'redirect 10.0.9.1 to host 10.0.0.3'
heard time_exceeded_on_the_wire 'time exceeded in-transit'
heard frag_needed_on_the_wire 'need to frag \(mtu 1000\)'
heard reassembly_on_the_wire 'ip reassembly time exceeded'

# Errors to weft's own sockets: UDP and TCP to ports of the host that nobody has.
ctl ping -c 1 10.0.0.2 >/dev/null
(echo x; until_true 3 false) | timeout 10 "$WEFT" ctl --control "$DIR/control" snc -u -c 10.0.0.2:9998 >"$DIR/refused" 2>&1
expect udp_refused_is_told grep -q 'Connection refused' "$DIR/refused"
ctl snc -c 10.0.0.2:9998 >"$DIR/refused" 2>&1 </dev/null
expect tcp_refused_is_told grep -q 'Connection refused' "$DIR/refused"
ctl traceroute -n 10.0.0.2 >"$DIR/route" 2>&1
expect weft_traceroute grep -q '10\.0\.0\.2' "$DIR/route"
expect weft_ends weft_down
exit $failed
