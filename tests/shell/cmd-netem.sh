#!/bin/sh
# netem: tc's words and units, what they do to pings, what is refused.
. tests/harness/commands.sh
net_begin
weft_up

says nothing_at_first '' netem
says all_words '' netem tap0 loss 5% 25% delay 20ms 5ms reorder 25% gap 5 duplicate 1% corrupt 1% rate 10mbit limit 100 seed 7
says shown_in '^tap0 in: limit 100 loss 5% 25% delay 20ms 5ms reorder 25% gap 5 duplicate 1% corrupt 1% rate 10mbit seed 7$' \
	netem show
says shown_out '^tap0 out: limit 100 ' netem tap0 show
says off_one_way '' netem tap0 in off
expect in_is_off_now sh -c "! '$WEFT' ctl --control '$DIR/control' netem | grep -q ' in:'"
says off '' netem tap0 off
says off_again '' netem tap0 off
says units '' netem tap0 out delay 1500us rate 2kbps
says units_shown '^tap0 out: limit 1000 delay 1\.5ms rate 0\.016mbit' netem
says other_units '' netem tap0 out latency 0.01s rate 1gbit
says other_units_shown '^tap0 out: limit 1000 delay 10ms rate 1000mbit' netem

says bursts '' netem tap0 out loss gemodel 1% 25% blackout 100ms 2s
says bursts_shown '^tap0 out: limit 1000 loss gemodel 1% 25% 100% 0% blackout 100ms 2000ms' netem
fails blackout_too_long 2 'the first value is above 0 and at most the second' netem tap0 blackout 2s 1s
fails blackout_once 2 'blackout needs two values' netem tap0 blackout 2s

says delay '' netem tap0 delay 30ms
says delay_both_ways 'icmp_seq=2 ttl=64 time=([6-9][0-9]\.[0-9]|[1-9][0-9]{2}) ms' ping -c 2 -i 0.2 10.0.0.2
says loss_all '' netem tap0 out loss 100%
fails nothing_comes 1 ' 100% packet loss' ping -c 3 -i 0.01 -W 0.3 10.0.0.2
says loss_counted 'passed 0 lost [3-9]' netem tap0 out
says duplicate '' netem tap0 in duplicate 100%
says duplicate_out '' netem tap0 out off
says duplicates_seen '\(DUP!\)$' ping -c 3 -i 0.05 10.0.0.2
says duplicates_summary '3 received, \+[23] duplicates, 0% packet loss' ping -c 3 -i 0.05 10.0.0.2
says lo '' netem lo out delay 20ms
says lo_delay 'time=([4-9][0-9]\.[0-9]|[1-9][0-9]{2}) ms' ping -c 1 127.0.0.1
says lo_off '' netem lo off
says off_at_last '' netem tap0 off

says drop_frag '' netem tap0 in drop-frag last
ctl sysctl net.ipv4.ipfrag_time=1 >/dev/null
host ping -c 1 -s 6000 -W 0.1 10.0.0.1 >/dev/null
expect reassembly_timeout_told until_true 5 seen '^IcmpOutTimeExcds +1 ' ctl nstat
says drop_frag_out '' netem tap0 out drop-frag last
says drop_frag_one_way '' netem tap0 in off
host sysctl -q -w net.ipv4.ipfrag_time=1
fails reassembly_timeout_shown 1 '^From 10\.0\.0\.2 icmp_seq=1 Frag reassembly time exceeded$' \
	ping -c 1 -W 10 -s 6000 10.0.0.2
says drop_frag_off '' netem tap0 off

fails no_value 2 'loss needs a value' netem tap0 loss
fails percent 2 "bad percentage '200%'" netem tap0 loss 200%
fails time_unit 2 "bad time '5xs'" netem tap0 delay 5xs
fails jitter 2 'jitter is longer than the delay' netem tap0 delay 5ms 6ms
fails rate_unit 2 "bad rate '5foo'" netem tap0 rate 5foo
fails limit_range 2 "bad limit '0': out of range 1 - 1000000" netem tap0 limit 0
fails reorder_alone 2 'reorder needs a delay' netem tap0 reorder 25%
fails word 2 'unknown word foo' netem tap0 foo
fails drop_frag_word 2 'takes the word last' netem tap0 drop-frag first
fails device 1 'tap9: no such device' netem tap9 loss 5%
says refused_changes_nothing '' netem
expect weft_ends weft_down
exit $failed
