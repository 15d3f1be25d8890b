#!/bin/bash
# An idle weft makes under 5 context switches a second in all its threads, a blocked accept none; names of threads.
. tests/harness/net.sh
need ps nc
net_begin
weft_up -c 'inetd; httpd 80'
ctl_start snc -b 0.0.0.0:1234 >/dev/null 2>&1 </dev/null
accepts=$CTL_PID
weft_listens 1234
host ping -q -c 2 -i 0.01 -W 2 10.0.0.1 >/dev/null

# switches: of every thread, in sum.
switches() {
	cat /proc/"$WEFT_PID"/task/*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'
}

# quiet_second: the least of some seconds in a row, since the neighbour entry still has its probes to make.
quiet=1000
for _ in 1 2 3 4 5 6 7 8; do
	before=$(switches)
	sleep 1 # the time that is measured
	now=$(($(switches) - before))
	[ $now -ge $quiet ] || quiet=$now
done
before=$(switches)
sleep 4
rate=$((($(switches) - before + 3) / 4))
expect idle_under_5_switches_a_second test $rate -lt 5
expect blocked_accept_makes_none test $quiet = 0
echo "$rate a second; the quietest second: $quiet"

ps -T -o comm= -p "$WEFT_PID" | sort >"$DIR/threads"
for name in netdev net_timer tcp_timer; do
	expect "thread_$name" grep -q "^$name" "$DIR/threads"
done
expect no_thread_without_a_name test "$(grep -c '^weft$' "$DIR/threads")" -le 1
kill -INT $accepts
wait $accepts
expect weft_ends weft_down
exit $failed
