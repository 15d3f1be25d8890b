#!/bin/sh
# sanitize: yes
# stat, nstat, sysctl, ss, tcpdump, debug: what they show, their JSON, what they refuse.
. tests/harness/commands.sh
need python3 tcpdump nc arping
net_begin
weft_up -c 'inetd echo'

says stat_gauge '^sockets +2 ' stat
says stat_listener '^LISTEN +1 ' stat
expect stat_json sh -c "'$WEFT' ctl --control '$DIR/control' stat --json |
	python3 -c 'import json,sys; s=json.load(sys.stdin); assert s[\"sockets\"] == 2 and s[\"tcp\"][\"LISTEN\"] == 1'"
expect stat_drops_json sh -c "'$WEFT' ctl --control '$DIR/control' stat -d --json |
	python3 -c 'import json,sys; assert \"UDP_NO_PORT\" in json.load(sys.stdin)[\"drops\"]'"
host nc -u -w 1 10.0.0.1 99 </dev/null >/dev/null 2>&1
echo x | host nc -u -w 1 10.0.0.1 99 >/dev/null 2>&1
says stat_drop_reason '^UDP_NO_PORT +[1-9][0-9]* +no socket on the port; RFC 1122, 4\.1\.3\.1$' stat -d
fails stat_option 2 'unknown option --foo' stat --foo
fails stat_word 2 'too many words' stat foo

says nstat_name '^UdpNoPorts +[1-9]' nstat
says nstat_pattern '^IcmpInEchos +0 ' nstat 'icmpin*'
says nstat_all '^TcpExtTCPTimeouts +0 ' nstat -a
fails nstat_nothing 1 'foo\*: no such counter' nstat 'foo*'

says sysctl_read '^net\.ipv4\.ip_forward = 1$' sysctl net.ipv4.ip_forward
says sysctl_write '^net\.ipv4\.ip_forward = 0$' sysctl net.ipv4.ip_forward=0
says sysctl_written '^net\.ipv4\.ip_forward = 0$' sysctl -a
says sysctl_words '^net\.ipv4\.ip_forward = 1$' sysctl -w net.ipv4.ip_forward = 1
fails sysctl_range 1 "bad value '7': out of range 0 - 1" sysctl net.ipv4.ip_forward=7
fails sysctl_number 1 "bad value 'x': not a number" sysctl net.ipv4.ip_forward=x
says sysctl_list '^net\.ipv4\.tcp_rmem = 4096[[:space:]]131072[[:space:]]6291456$' \
	sysctl net.ipv4.tcp_rmem='4096 131072 6291456'
says sysctl_list_words '^net\.ipv4\.ip_local_port_range = 32768[[:space:]]60999$' \
	sysctl -w net.ipv4.ip_local_port_range = '32768 60999'
fails sysctl_list_short 1 "bad value '4096 8192': not 3 numbers" sysctl net.ipv4.tcp_wmem='4096 8192'
fails sysctl_list_order 1 "bad value '9 8': not in ascending order" sysctl net.ipv4.ip_local_port_range='9 8'
says sysctl_algorithm '^net\.ipv4\.tcp_congestion_control = reno$' sysctl net.ipv4.tcp_congestion_control=reno
says sysctl_algorithms '^net\.ipv4\.tcp_available_congestion_control = .*reno' sysctl -a
fails sysctl_algorithm_unknown 1 "bad value 'x': not one of: .*reno" sysctl net.ipv4.tcp_congestion_control=x
fails sysctl_fixed 1 "bad value 'reno': only to be read" sysctl net.ipv4.tcp_available_congestion_control=reno
fails sysctl_name 1 'foo: no such setting' sysctl foo

says ss_listen '^tcp +LISTEN +0 +[0-9]+ +0\.0\.0\.0:7 +0\.0\.0\.0:\*$' ss -l
says ss_one_kind '^LISTEN +0 +[0-9]+ +0\.0\.0\.0:7 ' ss -ltn
expect ss_without_titles test "$(ctl ss -ltnH | grep -c State)" = 0
says ss_udp '^UNCONN +0 +0 +0\.0\.0\.0:7 ' ss -lu
mkfifo "$DIR/open"
exec 4<>"$DIR/open"
(exec 4>&- && host nc -N 10.0.0.1 7 <"$DIR/open" >"$DIR/echo") &
nc=$!
expect ss_established until_true 10 seen '^ESTAB +0 +0 +10\.0\.0\.1:7 +10\.0\.0\.2:[0-9]+$' ctl ss -t
says ss_control_block ' SND\.UNA=[0-9]+ SND\.NXT=[0-9]+ SND\.WND=[1-9][0-9]* SND\.UP=[0-9]+ SND\.WL1=[0-9]+ SND\.WL2=[0-9]+ ISS=[0-9]+ RCV\.NXT=[0-9]+ RCV\.WND=[1-9][0-9]* RCV\.UP=[0-9]+ IRS=[0-9]+$' ss -te
expect ss_descriptor until_true 10 seen ' fd:[0-9]+' ctl ss -te
says ss_info ' reno wscale:[0-9]+,[0-9]+ rto:.* mss:[0-9]+ .*cwnd:10' ss -ti
says ss_rates ' pacing_rate [0-9.e+]+[KMG]?bps' ss -ti
says ss_memory ' skmem:\(r0,rb[1-9][0-9]*,t0,tb[1-9]' ss -tm
expect ss_json sh -c "'$WEFT' ctl --control '$DIR/control' ss -ta --json | python3 -c '
import json,sys
rows = json.load(sys.stdin)
assert sorted(r[\"state\"] for r in rows) == [\"ESTAB\", \"LISTEN\"], rows
assert [r[\"peer\"] for r in rows if r[\"state\"] == \"LISTEN\"] == [\"0.0.0.0\"], rows
assert all(r[\"lport\"] == 7 for r in rows)'"
fails ss_option 2 'unknown option -x' ss -x
fails ss_word 2 'unknown word foo' ss foo

# A listener that holds three it has not accepted (one more than its backlog), and a fourth that finds no place.
says backlog_bound '^net\.core\.somaxconn = 2$' sysctl net.core.somaxconn=2
mkfifo "$DIR/wait"
exec 5<>"$DIR/wait"
"$WEFT" ctl --control "$DIR/control" snc -k -b 0.0.0.0:4000 <"$DIR/wait" >/dev/null 2>&1 4>&- 5>&- &
snc=$!
weft_listens 4000
says ss_backlog '^LISTEN +0 +2 +0\.0\.0\.0:4000 ' ss -ltn
connected() {
	test "$(ctl ss -tn | grep -c '^ESTAB .*:4000 ')" = "$1"
}
for n in 1 2 3 4; do
	(exec 4>&- 5>&- && host nc -d 10.0.0.1 4000 >/dev/null) &
	until_true 10 connected $n
done
expect ss_accept_queue until_true 10 seen '^LISTEN +3 +2 +0\.0\.0\.0:4000 ' ctl ss -ltn
expect ss_not_yet_accepted sh -c "! '$WEFT' ctl --control '$DIR/control' ss -te | grep -q orphan"
expect accept_queue_full sh -c "! ip netns exec '$NS' nc -w 1 10.0.0.1 4000 </dev/null"
says nstat_overflows '^TcpExtListenOverflows +[1-9]' nstat
says nstat_listen_drops '^TcpExtListenDrops +[1-9]' nstat
says stat_overflows '^TCP_ACCEPT_QUEUE +[1-9]' stat -d
kill -INT $snc
wait $snc
exec 5>&-

start "$DIR/lines" tcpdump -i tap0 -c 4
expect tcpdump_begins until_true 10 grep -q '^listening on tap0$' "$DIR/lines"
echo hello >&4
until_true 10 grep -q hello "$DIR/echo"
host ping -q -c 2 -i 0.05 10.0.0.1 >/dev/null
expect tcpdump_counts wait $STARTED
# ISS and six bytes more: all of it acknowledged, and written down where the last ACK was taken.
expect ss_idle until_true 10 seen ' SND\.UNA=([0-9]+) SND\.NXT=\1 .* RCV\.NXT=([0-9]+) ' ctl ss -te
expect ss_counts_the_bytes sh -c "'$WEFT' ctl --control '$DIR/control' ss -te |
	sed -n 's/.*SND.NXT=\([0-9]*\).* ISS=\([0-9]*\) RCV.NXT=\([0-9]*\).*IRS=\([0-9]*\)$/\1 \2 \3 \4/p' |
	awk '{ exit !((\$1 - \$2 + 2^32) % 2^32 == 7 && (\$3 - \$4 + 2^32) % 2^32 == 7) }'"
expect tcpdump_data grep -Eq ' IP 10\.0\.0\.2\.[0-9]+ > 10\.0\.0\.1\.7: Flags \[P\.\], seq [0-9]+:[0-9]+, ack [0-9]+, win [0-9]+, options \[nop,nop,TS val [0-9]+ ecr [0-9]+\], length 6$' "$DIR/lines"
expect tcpdump_summary grep -q '^4 packets captured$' "$DIR/lines"
start "$DIR/said" tcpdump -w "$DIR/file.pcap"
until_true 10 test -s "$DIR/file.pcap"
host ping -q -c 2 -i 0.05 10.0.0.1 >/dev/null
kill -INT $STARTED
wait $STARTED
expect tcpdump_file sh -c "tcpdump -nr '$DIR/file.pcap' 2>/dev/null | grep -c 'ICMP echo' | grep -qx 4"
start "$DIR/said" tcpdump -c 3 -w "$DIR/three.pcap"
until_true 10 test -s "$DIR/three.pcap"
host ping -q -c 10 -i 0.002 10.0.0.1 >/dev/null
expect tcpdump_file_ends wait $STARTED
expect tcpdump_file_says grep -qx '3 packets captured' "$DIR/said"
expect tcpdump_file_count sh -c "tcpdump -nr '$DIR/three.pcap' 2>/dev/null | wc -l | grep -qx 3"
fails tcpdump_full_disk 1 'tcpdump: /dev/full: No space left on device' tcpdump -w /dev/full
ip netns exec "$NS" ping -q -i 0.1 10.0.0.1 >/dev/null 4>&- &
pings=$!
expect tcpdump_ends_with_its_reader bash -c "timeout 20 '$WEFT' ctl --control '$DIR/control' tcpdump 2>/dev/null |
	head -n 1 >/dev/null; test \${PIPESTATUS[0]} = 1"
kill $pings
wait $pings 2>/dev/null
says help_letter '^usage: tcpdump ' tcpdump -h
fails tcpdump_device 1 'tap9: no such device' tcpdump -i tap9
fails tcpdump_no_file 1 '/nowhere/x: No such file or directory' tcpdump -w /nowhere/x
exec 4>&-
wait $nc

# Each level shows its own lines of the same traffic, and no other's.
levels='dev l2 arp ip icmp udp tcp tcpstate'
debugs=
for level in $levels all; do
	start "$DIR/debug.$level" debug "$level"
	debugs="$debugs$STARTED "
	until_true 10 seen "client +debug $level" ctl jobs
done
host ping -q -c 1 -W 1 10.0.0.1 >/dev/null
host arping -q -c 1 -i tap0 10.0.0.1
echo hello | host timeout 5 nc -N 10.0.0.1 7 >/dev/null
echo hello | host nc -u -w 1 10.0.0.1 7 >/dev/null
echo hello | host nc -u -w 1 10.0.0.1 99 >/dev/null 2>&1
shows() {
	expect "debug_$1" until_true 10 grep -Eq "$3" "$DIR/debug.$1"
	expect "debug_$1_alone" test -z "$(grep -Ev "$2" "$DIR/debug.$1")"
}
mac='([0-9a-f]{2}:){5}[0-9a-f]{2}'
end='10\.0\.0\.[12]:[0-9]+'
segment='SEG\.SEQ=[0-9]+ SEG\.ACK=[0-9]+ SEG\.LEN=[0-9]+ SEG\.WND=[0-9]+ SEG\.UP=0 SEG\.PRC=0$'
shows dev '^drop ' '^drop UDP_NO_PORT: no socket on the port, [0-9]+ bytes$'
shows l2 "^l2 (in|out) tap0: $mac > $mac, type 0x[0-9a-f]{4}, [0-9]+ bytes\$" ', type 0x0806, '
shows arp '^(arp|neigh) ' "^arp tap0 [a-z]+: request 10\.0\.0\.2 at $mac, for 10\.0\.0\.1\$"
shows ip '^ip (in|out) ' '^ip out tap0: 10\.0\.0\.1 > 10\.0\.0\.2, protocol 1, ttl 64, 84 bytes, next hop 10\.0\.0\.2$'
shows icmp '^icmp ' '^icmp in from 10\.0\.0\.2: type 8 code 0, 64 bytes$'
shows udp "^udp (in|out): $end > $end, 6 bytes\$" '^udp out: 10\.0\.0\.1:7 > '
shows tcp "^tcp (in|out): $end > $end \[[FSRP.]+\] $segment" "^tcp out: .* \[S\.\] .* SEG\.LEN=1 "
shows tcpstate '^tcp [0-9]+-[0-9]+: [A-Z0-9-]+ -> [A-Z0-9-]+$' '^tcp 7-[0-9]+: CLOSE-WAIT -> LAST-ACK$'
for level in $levels; do
	expect "debug_all_$level" until_true 10 grep -qFx "$(tail -n 1 "$DIR/debug.$level")" "$DIR/debug.all"
done
for level in $levels all; do
	kill -INT "${debugs%% *}"
	wait "${debugs%% *}"
	expect "debug_${level}_interrupted" test $? = 130
	debugs=${debugs#* }
done
says debug_background '' debug -n tcpstate
expect debug_is_a_job seen 'debug' ctl jobs
ctl debug -n icmp >"$DIR/behind"
host ping -q -c 1 -W 1 10.0.0.1 >/dev/null
expect debug_background_lines until_true 10 grep -q '^icmp out to 10\.0\.0\.2: type 0 code 0, 64 bytes$' "$DIR/behind"
says debug_clear '' debug -c
expect debug_is_gone sh -c "! '$WEFT' ctl --control '$DIR/control' jobs | grep -q debug"
fails debug_level 2 'unknown level foo' debug foo
fails debug_none 2 'a level is wanted' debug
says help_lists '^traceroute +show the way' help
says help_lists_clear '^clear +' help
says help_lists_exit '^exit +' help
fails unknown_command 127 'foo' foo
expect weft_ends weft_down
exit $failed
