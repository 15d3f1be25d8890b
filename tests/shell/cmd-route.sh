#!/bin/sh
# route, ifconfig: net-tools' and iproute2's words, what they show, what they refuse; traceroute along the way.
. tests/harness/commands.sh
need tcpdump
net_begin
weft_up

says connected '^10\.0\.0\.0 +\* +255\.255\.255\.0 +UC +0 +1500 tap0$' route
says add_net '' route add -net 10.0.1.0/24 gw 10.0.0.2
says add_iproute '' route add 10.0.2.0/24 via 10.0.0.2 dev tap0 metric 5 mtu 1400
says add_host '' route add -host 10.0.3.3 gw 10.0.0.2
says add_netmask '' route add -net 10.0.4.0 netmask 255.255.252.0 dev tap0
says add_default '' route add default gw 10.0.0.2
says net_shown '^10\.0\.1\.0 +10\.0\.0\.2 +255\.255\.255\.0 +UG +0 +1500 tap0$' route
says metric_shown '^10\.0\.2\.0 +10\.0\.0\.2 +255\.255\.255\.0 +UG +5 +1400 tap0$' route -n
says host_shown '^10\.0\.3\.3 +10\.0\.0\.2 +255\.255\.255\.255 +UGH ' route show
says netmask_shown '^10\.0\.4\.0 +\* +255\.255\.252\.0 ' route
says default_shown '^0\.0\.0\.0 +10\.0\.0\.2 +0\.0\.0\.0 +UG ' route
says get_gateway '^10\.0\.2\.9 via 10\.0\.0\.2 dev tap0 src 10\.0\.0\.1 mtu 1400$' route get 10.0.2.9
says get_default '^198\.51\.100\.7 via 10\.0\.0\.2 dev tap0' route get 198.51.100.7
says get_local '^local 10\.0\.0\.1 dev lo' route get 10.0.0.1
says get_broadcast '^broadcast 10\.0\.0\.255 dev tap0' route get 10.0.0.255
says add_metrics '' route add 10.0.6.0/24 via 10.0.0.2 mtu lock 1300 advmss 1000 initcwnd 4
says get_metrics '^10\.0\.6\.1 via 10\.0\.0\.2 dev tap0 src 10\.0\.0\.1 mtu 1300 lock advmss 1000 initcwnd 4$' route get 10.0.6.1
fails add_initcwnd 2 "bad initcwnd '0'" route add 10.9.0.0/24 dev tap0 initcwnd 0
fails add_mtu_lock 2 "bad mtu 'lock'" route add 10.9.0.0/24 dev tap0 mtu lock
fails add_twice 1 'same network and metric' route add -net 10.0.1.0/24 gw 10.0.0.2
says add_other_metric '' route add -net 10.0.1.0/24 gw 10.0.0.2 metric 9
fails add_host_bits 1 'address has host bits' route add 10.9.0.1/24 via 10.0.0.2
fails add_far_gateway 1 'gateway is not on a network of ours' route add 10.9.0.0/24 via 192.0.2.1
fails add_nothing 2 'a gateway \(gw, via\) or a device \(dev\) is wanted' route add 10.9.0.0/24
fails add_own_gateway 1 '^weft: route: gateway is not the address of another host$' route add default gw 10.0.0.1
fails add_broadcast_gateway 1 'gateway is not the address of another host' route add 10.9.0.0/24 via 10.0.0.255
fails add_foreign_src 1 "src is not an address of weft's own" route add 10.9.0.0/24 via 10.0.0.2 src 10.9.9.9
says add_own_src '' route add 10.9.0.0/24 via 10.0.0.2 src 10.0.0.1
fails add_device 1 'tap9: no such device' route add 10.9.0.0/24 dev tap9
fails add_metric 2 "bad metric '-1'" route add 10.9.0.0/24 dev tap0 metric -1
fails add_netmask_holes 2 'not contiguous' route add -net 10.9.0.0 netmask 255.0.255.0 dev tap0
fails add_prefix 2 "bad network '10.9.0.0/33'" route add 10.9.0.0/33 dev tap0
fails add_valueless 2 'dev needs a value' route add 10.9.0.0/24 dev
fails word 2 'unknown word foo' route foo
says del '' route del 10.0.1.0/24 metric 9
says del_default '' route del default
fails del_twice 1 'no such route' route del default
fails get_nowhere 1 'Network is unreachable' route get 198.51.100.7
says unreachable '' route add unreachable 10.7.0.0/16
fails get_unreachable 1 'No route to host' route get 10.7.1.1

says ifconfig_addr '^ +inet 10\.0\.0\.1  netmask 255\.255\.255\.0  broadcast 10\.0\.0\.255$' ifconfig tap0
says ifconfig_lo '^lo: flags=[0-9]+<UP,LOOPBACK,NOARP>  mtu 65535' ifconfig
says ifconfig_mtu '' ifconfig tap0 mtu 1400
says ifconfig_mtu_shown '^tap0: flags=[0-9]+<UP,BROADCAST>  mtu 1400' ifconfig tap0
says ifconfig_add '' ifconfig tap0 10.0.5.1/24
says ifconfig_ours 'local 10\.0\.5\.1' route get 10.0.5.1
says ifconfig_del '' ifconfig tap0 del 10.0.5.1
fails ifconfig_del_twice 1 'Cannot assign requested address' ifconfig tap0 del 10.0.5.1
says ifconfig_down '' ifconfig tap0 down
fails ifconfig_down_is 1 'unreachable|down' ping -c 1 -W 0.2 10.0.0.2
says ifconfig_up '' ifconfig tap0 up mtu 1500
says ifconfig_up_is ' 0% packet loss' ping -c 2 -i 0.05 10.0.0.2
# counted DEV WORDS: packets of it, as ifconfig has them.
counted() {
	ctl ifconfig "$1" | awk -v words="$2" 'index($0, words) { n = $3 } END { print n + 0 }'
}
rx=$(counted tap0 'RX packets') tx=$(counted tap0 'TX packets') lo=$(counted lo 'RX packets')
ctl ping -c 3 -i 0.01 10.0.0.2 >/dev/null
ctl ping -c 3 -i 0.01 127.0.0.1 >/dev/null
expect ifconfig_counts_rx test "$(counted tap0 'RX packets')" -ge $((rx + 3))
expect ifconfig_counts_tx test "$(counted tap0 'TX packets')" -ge $((tx + 3))
expect ifconfig_counts_lo test "$(counted lo 'RX packets')" -ge $((lo + 6))
says ifconfig_host_counts '^ +RX packets [1-9][0-9]*  bytes [1-9][0-9]*  errors 0  dropped 0$' ifconfig tap0
says ifconfig_counts 'TX packets [1-9][0-9]*  bytes [1-9]' ifconfig tap0
fails ifconfig_range 2 "bad mtu '10': out of range 68 - 65535" ifconfig tap0 mtu 10
fails ifconfig_no_device 1 'tap9: no such device' ifconfig tap9
fails ifconfig_address 2 "bad network 'foo'" ifconfig tap0 foo

# A router of two hops: the host, and behind it another namespace.
ip netns add "$NS-far"
trap 'ip netns del "$NS-far"; net_end' EXIT
host ip link add far0 type veth peer name far1 netns "$NS-far"
host ip addr add 10.0.8.1/24 dev far0
host ip link set far0 up
host sysctl -q -w net.ipv4.ip_forward=1
ip -n "$NS-far" addr add 10.0.8.2/24 dev far1
ip -n "$NS-far" link set far1 up
ip -n "$NS-far" route add default via 10.0.8.1
ctl route add 10.0.8.0/24 via 10.0.0.2
says ping_far ' 0% packet loss' ping -c 2 -i 0.05 10.0.8.2
says traceroute_first '^ 1  10\.0\.0\.2  [0-9.]+ ms  [0-9.]+ ms  [0-9.]+ ms$' traceroute -w 1 10.0.8.2
says traceroute_second '^ 2  10\.0\.8\.2  [0-9.]+ ms' traceroute -w 1 10.0.8.2
says traceroute_head '^traceroute to 10\.0\.8\.2 \(10\.0\.8\.2\), 5 hops max, 60 byte packets' \
	traceroute -m 5 -q 1 -w 1 10.0.8.2
says traceroute_silence '^ 1  \*$' traceroute -m 1 -q 1 -w 0.1 10.0.0.77
fails traceroute_hops 2 "bad hops '0'" traceroute -m 0 10.0.8.2
fails traceroute_no_route 1 'Network is unreachable' traceroute 203.0.113.1
expect weft_ends weft_down
exit $failed
