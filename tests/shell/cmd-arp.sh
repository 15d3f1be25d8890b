#!/bin/sh
# arping, neigh, arpcache.
. tests/harness/commands.sh
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

ctl ping -c 1 10.0.0.2 >/dev/null
says neigh_reachable "^10\.0\.0\.2 dev tap0 lladdr $mac REACHABLE\$" neigh
says neigh_statistics "^10\.0\.0\.2 dev tap0 lladdr $mac ref [0-9]+ used [0-9]+/[0-9]+/[0-9]+ probes [0-9]+" neigh -s
says neigh_show_statistics ' used ' neigh show -s
says arpcache_row "^10\.0\.0\.2 +$mac +REACHABLE +[0-9]+ tap0\$" arpcache
says arp_too "^10\.0\.0\.2 +$mac" arp
says arpcache_head '^IP Address +HWaddress +State +Timeout' arpcache
says neigh_add '' neigh add 10.0.0.55 lladdr 02:00:00:00:00:55 dev tap0
says neigh_permanent '^10\.0\.0\.55 dev tap0 lladdr 02:00:00:00:00:55 PERMANENT$' neigh show dev tap0
says neigh_flush '' neigh flush
says neigh_permanent_stays '^10\.0\.0\.55 .* PERMANENT$' neigh
says neigh_del '' neigh del 10.0.0.55 dev tap0
fails neigh_del_twice 1 '10\.0\.0\.55: no such entry' neigh del 10.0.0.55 dev tap0
fails neigh_no_device 2 'dev DEV is wanted' neigh add 10.0.0.5 lladdr 02:00:00:00:00:55
fails neigh_no_mac 2 'lladdr MAC is wanted' neigh add 10.0.0.5 dev tap0
fails neigh_bad_mac 2 "bad link address '02:00'" neigh add 10.0.0.5 lladdr 02:00 dev tap0
fails neigh_multicast 1 'Invalid argument' neigh add 224.0.0.1 lladdr 02:00:00:00:00:55 dev tap0
fails neigh_word 2 'unknown word foo' neigh foo
ctl sysctl net.ipv4.neigh.default.retrans_time_ms=50 >/dev/null
ctl ping -c 1 10.0.0.77 >/dev/null
says neigh_failed '^10\.0\.0\.77 dev tap0 FAILED$' neigh
expect weft_ends weft_down
exit $failed
