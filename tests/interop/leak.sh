#!/bin/bash
# After 10,000 connections, 1,000 more killed half-way, and TIME-WAIT run out, every gauge is back at its start.
. tests/harness/net.sh
need python3 nc
net_begin
weft_up -c inetd
ctl sysctl net.weft.tcp_msl_ms=500
# A RST that the TAP's queue has no room for is lost, and its connection stands for ever, rightly.
ip -n "$NS" link set tap0 txqueuelen 20000

# The neighbours, the caches of the threads and the route are there before the first look.
host ping -q -c 1 -W 2 10.0.0.1 >/dev/null
host python3 tests/harness/connections.py 10.0.0.1 200 40

# Gauges but two: what the caches hold is no leak, and neighbours age by their own timers.
gauges() {
	ctl stat | awk '$1 != "depot_bytes" && $1 != "timers" { print $1, $2 }'
}

at_start() {
	gauges | cmp -s - "$DIR/before"
}

no_timewait() {
	[ "$(gauge timewait)" = 0 ] && [ "$(gauge tcp_established)" = 0 ] && [ "$(gauge socks)" = "$1" ]
}

# What the listeners and the control connection hold, seen before any client came: by their own count.
listeners=$(ctl ss -ltun | grep -cE ':(7|9|13|19)\b')
until_true 20 no_timewait "$(gauge sockets)" || echo "listeners $listeners, socks $(gauge socks)"
gauges >"$DIR/before"
timers=$(gauge timers)
echo "timers $timers"; sed 's/^/  /' "$DIR/before"

expect connections_10000 host timeout 100 python3 tests/harness/connections.py 10.0.0.1 10000 1000
opened() {
	ctl nstat -a | awk '$1 == "TcpPassiveOpens" { print $2 }'
}
expect they_all_were_connections test "$(opened)" -ge 10000
if until_true 25 at_start; then
	pass gauges_back_at_start
else
	gauges | diff "$DIR/before" - | sed 's/^/  | /'
	fail gauges_back_at_start "see the differences"
fi
expect time_wait_was_passed test "$(ctl nstat TcpExtTW | awk '{ print $2 }')" -gt 1000

timers_back() {
	[ "$(gauge timers)" -le $((timers + 1)) ]
}
expect timers_back_at_start until_true 20 timers_back
expect still_answers host ping -q -c 1 -W 2 10.0.0.1
expect weft_ends weft_down
exit $failed
