#!/bin/bash
# Two wefts in one namespace, tap0 and tap1, each with its control socket; one with two devices.
# sanitize: yes
. tests/harness/net.sh
need ping
net_begin
weft_up -c 'inetd echo'
first=$WEFT_PID
mv "$DIR/control" "$DIR/first"
weft_up --dev tap:tap1 --addr 10.0.1.1/24 --host-addr 10.0.1.2/24 -c 'inetd echo'
second=$WEFT_PID

expect ping_first host ping -q -c 3 -i 0.05 -W 5 10.0.0.1
expect ping_second host ping -q -c 3 -i 0.05 -W 5 10.0.1.1
expect ctl_first "$WEFT" ctl --control "$DIR/first" ping -q -c 1 10.0.0.2
expect ctl_second ctl ping -q -c 1 10.0.1.2
expect echo_first sh -c "echo one | timeout 20 ip netns exec $NS nc -N 10.0.0.1 7 | grep -qx one"
expect echo_second sh -c "echo two | timeout 20 ip netns exec $NS nc -N 10.0.1.1 7 | grep -qx two"
kill -TERM "$first"
wait "$first"
expect first_ends test $? = 0
expect second_goes_on host ping -q -c 1 -W 5 10.0.1.1
kill -TERM "$second"
wait "$second"
expect second_ends test $? = 0

weft_up --dev tap:tap0 --dev tap:tap1 --mtu 1400 --host-addr 10.0.1.9/24 --dev tun:tun0 --mac 02:00:00:00:00:07
expect two_ping_first host ping -q -c 1 -W 5 10.0.0.1
expect two_ping_second host ping -q -c 1 -W 5 10.0.1.1
expect two_ping_tun host ping -q -c 1 -W 5 10.0.2.1
expect two_host_addr ctl ping -q -c 1 10.0.1.9
expect two_mtu sh -c "ip -n $NS link show tap1 | grep -q 'mtu 1400'"
expect two_other_mtu sh -c "ip -n $NS link show tap0 | grep -q 'mtu 1500'"
expect two_end weft_down
exit $failed
