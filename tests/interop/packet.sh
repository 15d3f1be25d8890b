#!/bin/bash
# weft on an interface of the kernel's: a veth in a bridge, another namespace behind the bridge.
. tests/harness/net.sh
need ping curl nc python3 tshark tcpdump setpriv
net_begin
PEER=$NS-peer

peer() {
	ip netns exec "$PEER" "$@"
}

packet_end() {
	[ -z "$WEFT_PID" ] || kill -9 "$WEFT_PID" 2>/dev/null
	ip netns pids "$PEER" 2>/dev/null | while read -r pid; do kill -9 "$pid" 2>/dev/null; done
	ip netns del "$PEER" 2>/dev/null
	net_end
}
trap packet_end EXIT

# weft's v0 - b0, the bridge br0, b1 - p0 of the peer
ip netns add "$PEER"
ip -n "$NS" link add br0 type bridge
ip -n "$NS" link add v0 type veth peer name b0
ip -n "$NS" link add p0 netns "$PEER" type veth peer name b1
for i in b0 b1; do ip -n "$NS" link set $i master br0; done
for i in br0 v0 b0 b1; do ip -n "$NS" link set $i up; done
ip -n "$NS" addr add 10.9.0.3/24 dev br0
ip -n "$PEER" link set lo up
ip -n "$PEER" link set p0 up
ip -n "$PEER" addr add 10.9.0.2/24 dev p0

# refuses NAME PATTERN OPTIONS...: weft says why, in one line, and ends.
refuses() {
	refuses_name=$1
	refuses_pattern=$2
	shift 2
	host timeout 10 "$@" -d --control "$DIR/control" >"$DIR/why" 2>&1 </dev/null
	refuses_status=$?
	if [ $refuses_status != 0 ] && [ $refuses_status != 124 ] && [ "$(wc -l <"$DIR/why")" = 1 ] &&
		grep -Eq "$refuses_pattern" "$DIR/why"; then
		pass "$refuses_name"
	else
		fail "$refuses_name" "status $refuses_status: $(cat "$DIR/why")"
	fi
}
refuses no_such_interface '^weft: v9: no such interface' "$WEFT" --dev packet:v9 --addr 10.9.0.1/24
refuses not_ethernet '^weft: lo: not an Ethernet interface' "$WEFT" --dev packet:lo --addr 10.9.0.1/24
refuses no_address '^weft: --dev: packet:v0: needs an --addr' "$WEFT" --dev packet:v0
refuses host_has_the_address '^weft: v0: 10\.9\.0\.3: address in use on br0' "$WEFT" --dev packet:v0 --addr 10.9.0.3/24
refuses host_addr_is_not_ours '^weft: --host-addr: ' "$WEFT" --dev packet:v0 --addr 10.9.0.1/24 --host-addr 10.9.0.4/24
refuses no_permission '^weft: v0: Operation not permitted: .*CAP_NET_RAW' setpriv --bounding-set=-all --inh-caps=-all \
	"$WEFT" --dev packet:v0 --addr 10.9.0.1/24
expect net_raw_is_enough sh -c "ip netns exec $NS setpriv --bounding-set=-all,+net_raw --inh-caps=-all \
	'$WEFT' --dev packet:v0 --addr 10.9.0.1/24 --control '$DIR/control' -c 'ping -c 1 -W 2 10.9.0.2' </dev/null"

head -c 30000000 /dev/urandom >"$DIR/file"

# carries NAME: pings of one frame and of many, TCP both ways byte for byte, UDP both ways.
carries() {
	expect "$1_ping" peer ping -q -c 3 -i 0.01 -W 2 10.9.0.1
	expect "$1_ping_20000" peer ping -q -c 2 -i 0.05 -s 20000 -W 2 10.9.0.1
	expect "$1_weft_pings" ctl ping -c 2 -i 0.05 -s 3000 -W 2 10.9.0.2
	peer timeout 60 nc -N 10.9.0.1 7 <"$DIR/file" >"$DIR/came"
	expect "$1_tcp_30mb_there_and_back" cmp "$DIR/file" "$DIR/came"
	printf 'datagram %s' "$1" | peer timeout 5 nc -u -w1 10.9.0.1 7 >"$DIR/came"
	expect "$1_udp_there_and_back" grep -q "datagram $1" "$DIR/came"
}

weft_up --dev packet:v0 --addr 10.9.0.1/24 -c 'inetd; httpd 80'
expect curl peer curl -sf --max-time 10 http://10.9.0.1/hello
carries offload
expect bridge_itself_reaches_weft host ping -q -c 2 -i 0.01 -W 2 10.9.0.1
# super WAY: the frames of RX or TX are longer than wires carry, on average.
super() {
	ctl ifconfig v0 | awk -v way="$1" '$1 == way && $2 == "packets" && !n++ { exit !($5 / $3 > 3000) }'
}
expect super_frames_come super RX
expect super_frames_go super TX

# Datagrams that the peer's kernel has not cut (UDP_SEGMENT), 10 of 1000 bytes and one of 500.
ctl_start snc -u -b 0.0.0.0:5000 -o "$DIR/datagrams" >/dev/null 2>&1 </dev/null
segments=$CTL_PID
weft_listens 5000
peer python3 - "$DIR/file" <<'SEND'
import socket
import sys
UDP_SEGMENT = 103
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, open(sys.argv[1], "rb") as f:
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    s.sendto(f.read(10500), ("10.9.0.1", 5000))
SEND
segments_came() {
	[ "$(ctl nstat -a UdpInDatagrams | awk '{ print $2 }')" -ge 11 ] && cmp -n 10500 "$DIR/file" "$DIR/datagrams"
}
expect udp_segments_are_datagrams until_true 5 segments_came
kill -INT "$segments"
wait "$segments"

# Without offload at the wire's ends the kernel finishes what weft leaves to it.
host python3 tests/harness/offload.py v0 off
peer python3 tests/harness/offload.py p0 off
ip netns exec "$PEER" tcpdump -i p0 -n -Z root -B 65536 -s 0 -U --immediate-mode -w "$DIR/cap" \
	2>"$DIR/capture.log" >/dev/null &
capture=$!
until_true 10 grep -q 'listening on' "$DIR/capture.log"
carries plain
capture_end $capture "$DIR/capture.log"
# looks ARGS...: tshark at what was captured, with an eye on checksums.
looks() {
	tshark -r "$DIR/cap" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE "$@" 2>/dev/null
}
# Where Linux finishes a TCP checksum that is zero it writes the other zero, which tshark calls bad.
no_bad_checksums() {
	looks -Y "(ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0) && \
		!(ip.src == 10.9.0.2 && tcp.checksum == 0xffff)" |
		tee "$DIR/bad"
	[ ! -s "$DIR/bad" ]
}
looks -T fields -e frame.len -e tcp.checksum.status >"$DIR/frames"
expect good_checksums test "$(cut -f 2 "$DIR/frames" | grep -c 1)" -gt 3000
expect no_bad_checksums no_bad_checksums
expect wire_frames_only test "$(sort -n "$DIR/frames" | tail -n 1 | cut -f 1)" -le 1514
expect none_reset sh -c "! tcpdump -n -r '$DIR/cap' 'tcp[tcpflags] & tcp-rst != 0' 2>/dev/null | grep ."
host python3 tests/harness/offload.py v0 on
peer python3 tests/harness/offload.py p0 on

# The link: lost, back, another MTU.
times_down() {
	[ "$(grep -c '^weft: v0: link down' "$DIR/log")" = "$1" ]
}
mtu_is() {
	seen "mtu $1 " ctl ifconfig v0
}
ip -n "$NS" link set v0 down
expect down_is_told until_true 5 grep -q '^weft: v0: link down' "$DIR/log"
expect down_is_shown seen NO-CARRIER ctl ifconfig v0
ip -n "$NS" link set v0 up
expect up_is_told until_true 5 grep -q '^weft: v0: link up again' "$DIR/log"
expect ping_again peer ping -q -c 1 -w 10 10.9.0.1
ip -n "$NS" link set b0 down
expect lost_carrier_is_told until_true 5 times_down 2
ip -n "$NS" link set b0 up
expect carrier_again peer ping -q -c 1 -w 10 10.9.0.1
for mtu in 9000 1400; do
	for i in v0 b0 b1 br0; do ip -n "$NS" link set $i mtu $mtu; done
	ip -n "$PEER" link set p0 mtu $mtu
	expect mtu_${mtu}_is_followed until_true 5 mtu_is $mtu
	carries mtu_$mtu
	expect mtu_${mtu}_unfragmented peer ping -q -M "do" -c 1 -W 2 -s $((mtu - 28)) 10.9.0.1
done
expect mtu_beyond_the_interface sh -c "! '$WEFT' ctl --control '$DIR/control' ifconfig v0 mtu 1500"

# A tagged frame: put together again, shown, and not taken for one of ours.
ctl_start tcpdump -i v0 -w "$DIR/tagged" >/dev/null 2>&1 </dev/null
capture=$CTL_PID
until_true 10 test -s "$DIR/tagged"
peer python3 - <<'SEND'
import socket
own, asked = bytes([10, 9, 7, 2]), bytes([10, 9, 0, 1])
mac, all_ = bytes.fromhex("020000000099"), b"\xff" * 6
arp = bytes.fromhex("0001080006040001") + mac + own + bytes(6) + asked
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("p0", 0))
s.send(all_ + mac + bytes.fromhex("81006007" "0806") + arp + bytes(18))
SEND
peer ping -q -c 1 -W 2 10.9.0.1 >/dev/null
kill -INT "$capture"
wait "$capture"
tcpdump -n -e -r "$DIR/tagged" arp or vlan >"$DIR/arp" 2>/dev/null
expect tag_is_put_back grep -q ' vlan 7, p 3,.* who-has 10\.9\.0\.1 tell 10\.9\.7\.2' "$DIR/arp"
expect tagged_arp_unanswered sh -c "! grep -q '> 02:00:00:00:00:99' '$DIR/arp'"

ip -n "$NS" link del v0
expect gone_is_told until_true 5 grep -q '^weft: v0: the interface is gone' "$DIR/log"
expect shell_still_answers ctl ifconfig v0
expect weft_ends weft_down
expect told_once test "$(grep -c 'is gone' "$DIR/log")" = 1

# In the kernel's place: the NIC and a TAP are ports of a bridge, the host's address is weft's now.
ip -n "$NS" addr del 10.9.0.3/24 dev br0
weft_up --dev tap:tap0 --addr 10.9.0.3/24 --host-addr none -c inetd
ip -n "$NS" link set tap0 mtu 1400 master br0 up
carries_once() {
	peer timeout 60 nc -N 10.9.0.3 7 <"$DIR/file" >"$DIR/came"
	cmp "$DIR/file" "$DIR/came"
}
expect bridged_tap_ping peer ping -q -c 2 -i 0.05 -w 10 10.9.0.3
expect bridged_tap_tcp carries_once
expect weft_leaves_the_bridge weft_down

# Two queues, no offload of weft's own, the interface's own hardware address.
ip -n "$NS" link add v0 type veth peer name b0
ip -n "$NS" link set b0 master br0
for i in v0 b0; do ip -n "$NS" link set $i mtu 1400 up; done
weft_up --dev packet:v0 --addr 10.9.0.1/24 --no-offload --queues 2 --mac "$(host cat /sys/class/net/v0/address)" -c inetd
carries own_mac_no_offload
expect echo_100_exact peer timeout 60 python3 tests/harness/echo_many.py 10.9.0.1 7 100 30000
expect weft_ends_again weft_down

# A program with the library, at an address that the peer has known by another hardware address until now.
host "$WEFT_BUILD/tests/examples/echo_server" packet:v0 10.9.0.1/24 7 2>"$DIR/said" </dev/null &
program=$!
expect program_starts until_true 10 grep -qx 'echo_server: ready' "$DIR/said"
peer timeout 10 nc -N 10.9.0.1 7 <"$DIR/file" >"$DIR/came"
expect program_is_found_at_once cmp "$DIR/file" "$DIR/came"
kill $program
wait $program
expect interface_stays ip -n "$NS" link show v0
exit $failed
