#!/bin/sh
# The host's ping and arping find weft; weft's ping finds the host and itself.  No loss anywhere.
. tests/harness/net.sh
need ping arping
net_begin
weft_up

expect host_ping_100 host ping -q -c 100 -i 0.01 -W 2 10.0.0.1
grep -q ' 0% packet loss' "$DIR/out" || fail host_ping_100_no_loss "$(grep loss "$DIR/out")"
expect host_ping_60000 host ping -q -c 3 -i 0.2 -s 60000 -W 2 10.0.0.1
grep -q ' 0% packet loss' "$DIR/out" || fail host_ping_60000_no_loss "$(grep loss "$DIR/out")"
expect host_ping_65507 host ping -q -c 2 -i 0.2 -s 65507 -W 2 10.0.0.1
expect host_arping host arping -q -c 3 -i tap0 10.0.0.1
mac=$(ip -n "$NS" neigh show 10.0.0.1 | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
expect host_arping_unicast host arping -q -c 3 -W 0.1 -i tap0 -t "$mac" 10.0.0.1
expect weft_ping_60000 ctl ping -c 3 -i 0.1 -s 60000 10.0.0.2
grep -q ' 0% packet loss' "$DIR/out" || fail weft_ping_60000_no_loss "$(grep loss "$DIR/out")"
expect weft_ping_loopback ctl ping -c 3 -i 0.1 127.1.2.3
expect weft_ping_self_65000 ctl ping -c 3 -i 0.1 -s 65000 10.0.0.1
expect weft_ping2 ctl ping2 -c 3 -i 0.1 -s 6000 10.0.0.2
expect weft_ends weft_down
exit $failed
