#!/bin/sh
# sanitize: yes
# ping and ping2: answers, sizes, summaries, errors shown, bad input refused, two at once, ^C.
. tests/harness/commands.sh
net_begin
weft_up

for ping in ping ping2; do
	says ${ping}_answer '^64 bytes from 10\.0\.0\.2: icmp_seq=3 ttl=64 time=[0-9.]+ ms$' $ping -c 3 -i 0.05 10.0.0.2
	says ${ping}_summary '^3 packets transmitted, 3 received, 0% packet loss, time [0-9]+ms$' \
		$ping -c 3 -i 0.05 10.0.0.2
	says ${ping}_rtt '^rtt min/avg/max/mdev = [0-9.]+/[0-9.]+/[0-9.]+/[0-9.]+ ms$' $ping -c 2 -i 0.05 127.1.2.3
	says ${ping}_options_behind '^8 bytes from 10\.0\.0\.2: icmp_seq=2' $ping -i0.05 10.0.0.2 -c 2 -s 0
	fails ${ping}_value 2 'option -c needs a value' $ping 10.0.0.2 -c
	says ${ping}_size_0 '^8 bytes from 10\.0\.0\.2: icmp_seq=1' $ping -c 1 -s 0 10.0.0.2
	says ${ping}_size_largest '^65515 bytes from 10\.0\.0\.2: icmp_seq=2' $ping -c 2 -i 0.05 -s 65507 10.0.0.2
	says ${ping}_self_65000 ' 0% packet loss' $ping -c 3 -i 0.05 -s 65000 10.0.0.1
	says ${ping}_source '1 received' $ping -c 1 -I 10.0.0.1 10.0.0.2
	says ${ping}_device '1 received' $ping -c 1 -I tap0 10.0.0.2
	fails ${ping}_too_large 2 "bad size '65508': out of range 0 - 65507" $ping -s 65508 10.0.0.2
	fails ${ping}_ttl_0 2 "bad ttl '0'" $ping -t 0 10.0.0.2
	fails ${ping}_ttl_256 2 "bad ttl '256'" $ping -t 256 10.0.0.2
	fails ${ping}_count_0 2 "bad count '0'" $ping -c 0 10.0.0.2
	fails ${ping}_no_number 2 "bad count 'x': not a number" $ping -c x 10.0.0.2
	fails ${ping}_address 2 "bad address '10.0.0.300'" $ping 10.0.0.300
	fails ${ping}_no_address 2 'one address is wanted' $ping -c 1
	fails ${ping}_option 2 'unknown option -x' $ping -x 10.0.0.2
	fails ${ping}_other_source 1 '-I: ' $ping -c 1 -I 10.0.0.9 10.0.0.2
	fails ${ping}_no_route 1 'Network is unreachable' $ping -c 1 -W 0.1 192.0.2.1
	says ${ping}_help '^usage: ping' $ping --help
done

ctl sysctl net.ipv4.neigh.default.retrans_time_ms=100 >/dev/null
fails unresolved_is_told 1 '^From 10\.0\.0\.1 icmp_seq=2 Destination Host Unreachable$' ping -c 2 -i 0.05 10.0.0.77
fails unresolved_inside 1 '^From 10\.0\.0\.1 icmp_seq=1 Destination Host Unreachable$' ping2 -c 1 10.0.0.78
ctl route add default gw 10.0.0.2
host ip route add unreachable 192.0.2.0/24
host sysctl -q -w net.ipv4.ip_forward=1
fails unreachable_by_router 1 '^From 10\.0\.0\.2 icmp_seq=1 Destination Host Unreachable$' ping -c 1 192.0.2.1
host ip route add 203.0.113.0/24 via 10.0.0.1
fails no_ttl_left 1 '^From 10\.0\.0\.2 icmp_seq=1 Time to live exceeded$' ping -c 1 -t 1 203.0.113.1

# Two at once: each sees its own answers only.
start "$DIR/one" ping -c 20 -i 0.02 10.0.0.2
one=$STARTED
start "$DIR/two" ping -c 20 -i 0.02 -s 2000 10.0.0.2
two=$STARTED
expect first_of_two wait $one
expect second_of_two wait $two
expect first_has_its_own grep -q '20 received, 0% packet loss' "$DIR/one"
expect second_has_its_own grep -q '20 received, 0% packet loss' "$DIR/two"

start "$DIR/three" ping 10.0.0.2
until_true 10 grep -q icmp_seq=1 "$DIR/three"
kill -TERM $STARTED
wait $STARTED
expect cancelled_ping_goes until_true 10 sh -c "! '$WEFT' ctl --control '$DIR/control' ss -awn | grep -q icmp"
expect nothing_left test "$(gauge socks)" = 0
expect weft_ends weft_down
exit $failed
