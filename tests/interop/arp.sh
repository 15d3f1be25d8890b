#!/bin/bash
# ARP: four requests and then EHOSTUNREACH; padded frames; replies nobody asked for; conflict; a new address.
. tests/harness/net.sh
need tcpdump arping python3 ping
net_begin
weft_up -c inetd
ctl sysctl net.ipv4.neigh.default.retrans_time_ms=200

host_capture "$DIR/cap" arp
start=$(date +%s%N)
ctl snc -c 10.0.0.77:9 >"$DIR/unreachable" 2>&1 </dev/null
took=$((($(date +%s%N) - start) / 1000000))
ctl ifconfig tap0 add 10.0.0.9/24
host_capture_end
expect added_address_is_announced sh -c "tcpdump -n -r '$DIR/cap' 2>/dev/null | grep -q 'who-has 10.0.0.9 .*tell 10.0.0.9'"
requests=$(tcpdump -n -r "$DIR/cap" 2>/dev/null | grep -c 'who-has 10.0.0.77 tell 10.0.0.1')
expect four_requests test "$requests" = 4
expect then_unreachable grep -q 'No route to host' "$DIR/unreachable"
expect after_the_fourth test $took -ge 700 -a $took -le 5000
ctl ping -c 1 10.0.0.78 >"$DIR/unreachable" 2>&1
expect ping_is_told grep -qi 'unreachable\|no route to host' "$DIR/unreachable"

for case in arp_padded arp_unasked arp_multicast echo_padded protocol_unknown; do
	expect $case host python3 tests/harness/frames.py tap0 10.0.0.1 $case
done
expect unasked_makes_no_entry sh -c "! '$WEFT' ctl --control '$DIR/control' neigh | grep -q '^10.0.0.99 '"

# The host's end gets another MAC: weft hears it from the host's next request or its probes find out.
ip -n "$NS" link set tap0 address 02:00:00:00:00:77
host arping -q -c 1 -A -i tap0 -S 10.0.0.2 10.0.0.2 2>/dev/null
ip -n "$NS" neigh flush dev tap0
expect new_mac_is_learnt host ping -q -c 3 -i 0.2 -W 2 10.0.0.1
expect new_mac_in_neigh until_true 5 seen '^10\.0\.0\.2 .*02:00:00:00:00:77' ctl neigh
expect weft_ends weft_down
exit $failed
