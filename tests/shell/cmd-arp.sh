#!/bin/sh
# arping, neigh, arpcache.
. tests/harness/commands.sh
need nc
net_begin
weft_up
mac=$(host cat /sys/class/net/tap0/address)

says arping_reply "^Unicast reply from 10\.0\.0\.2 \[$mac\]  [0-9.]+ms\$" arping -c 2 -w 0.2 10.0.0.2
says arping_count '^Received 2 response' arping -c 2 -w 0.2 10.0.0.2
says arping_device '^ARPING 10\.0\.0\.2 from 10\.0\.0\.1 tap0$' arping -c 1 -I tap0 10.0.0.2
fails arping_nobody 1 '^Received 0 response' arping -c 2 -w 0.1 10.0.0.77
fails arping_loop 1 'lo: device does not speak ARP' arping -c 1 -I lo 127.0.0.1
fails arping_elsewhere 1 'on no network of ours' arping -c 1 192.0.2.1
fails arping_no_device 1 'tap9: no such device' arping -c 1 -I tap9 10.0.0.2
fails arping_address 2 "bad address 'x'" arping x
fails detect_taken 1 "^10\.0\.0\.2 is in use by $mac\$" arping -D 10.0.0.2
fails detect_taken_on_device 1 '^ARPING 10\.0\.0\.2 from 0\.0\.0\.0 tap0$' arping -D -I tap0 10.0.0.2
start "$DIR/detect" arping -D 10.0.0.77
detect=$STARTED
says detect_free '^10\.0\.0\.78 is free$' arping -D 10.0.0.78
if wait "$detect" && grep -qx '10.0.0.77 is free' "$DIR/detect"; then
	pass detect_two_at_once
else
	fail detect_two_at_once "$(cat "$DIR/detect")"
fi
start "$DIR/detect" arping -D 10.0.0.79
detect=$STARTED
until_true 10 grep -q ARPING "$DIR/detect"
kill -INT "$detect"
wait "$detect"
status=$?
if [ $status = 130 ]; then pass detect_interrupted; else fail detect_interrupted "status $status, not 130"; fi
fails detect_multicast 1 '224\.0\.0\.1: Invalid argument' arping -D -I tap0 224.0.0.1
fails detect_with_count 2 'no -c, -w or -b with it' arping -D -c 2 10.0.0.2

ctl ping -c 1 10.0.0.2 >/dev/null
says neigh_reachable "^10\.0\.0\.2 dev tap0 lladdr $mac REACHABLE\$" neigh
says neigh_statistics "^10\.0\.0\.2 dev tap0 lladdr $mac ref [0-9]+ used [0-9]+/[0-9]+/[0-9]+ probes [0-9]+ held 0 bytes 0 " neigh -s
says neigh_cache_statistics '^arp_cache entries 1 lookups [1-9][0-9]* hits [0-9]+ res_ok 1 res_failed 0 unres_discards 0 gc_thresh3 1024 base_reachable 30000ms$' \
	neigh show -s
says arpcache_row "^10\.0\.0\.2 +$mac +REACHABLE +[0-9]+ tap0\$" arpcache
says arp_too "^10\.0\.0\.2 +$mac" arp
says arpcache_head '^IP Address +HWaddress +State +Timeout' arpcache
says neigh_add '' neigh add 10.0.0.55 lladdr 02:00:00:00:00:55 dev tap0
says neigh_permanent '^10\.0\.0\.55 dev tap0 lladdr 02:00:00:00:00:55 PERMANENT$' neigh show dev tap0
fails neigh_show_valueless 2 'dev needs a value' neigh show dev
fails neigh_flush_valueless 2 'dev needs a value' neigh flush dev
says neigh_nothing_flushed "^10\.0\.0\.2 .* lladdr $mac " neigh
says neigh_flush '' neigh flush
says neigh_permanent_stays '^10\.0\.0\.55 .* PERMANENT$' neigh
says neigh_del '' neigh del 10.0.0.55 dev tap0
says neigh_add_other '' neigh add 10.0.0.56 lladdr 02:00:00:00:00:56 dev tap0
fails neigh_del_twice 1 '10\.0\.0\.55: no such entry' neigh del 10.0.0.55 dev tap0
fails neigh_no_device 2 'dev DEV is wanted' neigh add 10.0.0.5 lladdr 02:00:00:00:00:55
fails neigh_no_mac 2 'lladdr MAC is wanted' neigh add 10.0.0.5 dev tap0
fails neigh_bad_mac 2 "bad link address '02:00'" neigh add 10.0.0.5 lladdr 02:00 dev tap0
fails neigh_multicast 1 'Invalid argument' neigh add 224.0.0.1 lladdr 02:00:00:00:00:55 dev tap0
fails neigh_word 2 'unknown word foo' neigh foo

# After idle time the entry is in doubt: a ping is sent by it, and it is proven by one unicast request.
ctl sysctl net.ipv4.neigh.default.base_reachable_time_ms=1000 net.ipv4.neigh.default.delay_first_probe_time_ms=200 >/dev/null
ctl neigh flush
ctl ping -c 1 10.0.0.2 >/dev/null
expect neigh_idle_is_stale until_true 10 seen '^10\.0\.0\.2 .* STALE$' ctl neigh
start "$DIR/nud" debug arp
until_true 10 seen debug ctl jobs
ctl ping -c 1 10.0.0.2 >/dev/null
expect neigh_used_is_doubted until_true 10 grep -qx 'neigh 10\.0\.0\.2 dev tap0: STALE -> DELAY' "$DIR/nud"
expect neigh_is_proven until_true 10 grep -qx 'neigh 10\.0\.0\.2 dev tap0: PROBE -> REACHABLE' "$DIR/nud"
requests() {
	grep -c '^arp tap0 out: request .*, for 10\.0\.0\.2$' "$DIR/nud"
}
expect neigh_asked_once test "$(requests)" = 1

# What TCP acknowledges proves the neighbour: four seconds, where a proof lasts one, and nobody is asked.
head -c 5000000 /dev/zero >"$DIR/file"
host timeout 30 nc -l 10.0.0.2 4000 >"$DIR/came" </dev/null &
nc=$!
host_listens 4000
ctl netem tap0 out rate 10mbit
ctl sysctl net.ipv4.neigh.default.delay_first_probe_time_ms=1000 >/dev/null
ctl neigh flush
ctl ping -c 1 10.0.0.2 >/dev/null
timeout 30 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:4000 <"$DIR/file" >/dev/null
expect neigh_confirmed_by_tcp test "$(requests)" = 2
wait $nc
expect neigh_flow_was_whole cmp "$DIR/file" "$DIR/came"
ctl netem tap0 off
kill -INT $STARTED
wait $STARTED

ctl sysctl net.ipv4.neigh.default.retrans_time_ms=50 >/dev/null
ctl ping -c 1 10.0.0.77 >/dev/null
says neigh_failed '^10\.0\.0\.77 dev tap0 FAILED$' neigh
ctl sysctl net.ipv4.neigh.default.gc_stale_time=3 >/dev/null
ctl ping -c 1 10.0.0.78 >/dev/null
says arpcache_timeout '^10\.0\.0\.78 +- +FAILED +[0-3] tap0$' arpcache
expect neigh_ages until_true 20 sh -c "! '$WEFT' ctl --control '$DIR/control' neigh | grep -q '^10\.0\.0\.78 '"
says neigh_permanent_does_not '^10\.0\.0\.56 .* PERMANENT$' neigh
expect weft_ends weft_down
exit $failed
