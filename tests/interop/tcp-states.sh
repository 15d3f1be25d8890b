#!/bin/bash
# What connections look like on the wire: RST to a closed port, both half-closes, FIN from either end, a reset,
# programs that die; the states of a close, one after the other; TIME-WAIT and who comes again from the same port.
. tests/harness/net.sh
need tcpdump nc python3 nstat
net_begin

# The host asks before there is a weft, and again when there is one.
ip -n "$NS" tuntap add dev tap0 mode tap
ip -n "$NS" addr add 10.0.0.2/24 dev tap0
ip -n "$NS" link set tap0 up
ip -n "$NS" neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev tap0
host timeout 20 nc -d 10.0.0.1 13 >"$DIR/early" &
early=$!
asked_again() {
	host nstat -asz TcpExtTCPSynRetrans | grep -Eq '^TcpExtTCPSynRetrans +[1-9]'
}
expect host_asks_again until_true 10 asked_again
weft_up --mac 02:00:00:00:00:01 -c inetd
wait $early
expect early_client_is_served test -s "$DIR/early"

# flags FILE FILTER: the flags of each segment, with its sender, in one line.
flags() {
	tcpdump -n -r "$1" "$2" 2>/dev/null |
		sed -n 's/^.* IP \(10\.0\.0\.[12]\)\.[0-9]* > .*Flags \[\([^]]*\)\].*$/\1:\2/p' |
		sed -e 's/^10\.0\.0\.1/weft/' -e 's/^10\.0\.0\.2/host/' | tr '\n' ' '
}

# sequence NAME FILTER PATTERN: the flags match.
sequence() {
	sequence_is=$(flags "$DIR/cap" "$2")
	if echo "$sequence_is" | grep -Eq "$3"; then
		pass "$1"
	else
		fail "$1" "$sequence_is"
	fi
}

host_capture "$DIR/cap" tcp
expect closed_port_refuses sh -c "! ip netns exec $NS nc -w 2 10.0.0.1 81 </dev/null"
expect refused_at_once sh -c "ip netns exec $NS nc -v -w 2 10.0.0.1 81 </dev/null 2>&1 | grep -q refused"

echo hello | host timeout 10 nc -N 10.0.0.1 7 >"$DIR/echoed"
expect host_closes_first grep -qx hello "$DIR/echoed"
host timeout 10 nc -d 10.0.0.1 13 >"$DIR/day"
expect weft_closes_first test -s "$DIR/day"

host timeout 10 nc -l 10.0.0.2 4000 >"$DIR/asked" <"$DIR/day" &
server=$!
host_listens 4000
echo asked | timeout 10 "$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.2:4000 >"$DIR/answer"
wait $server
expect weft_half_closes grep -qx asked "$DIR/asked"
expect answer_after_half_close cmp "$DIR/day" "$DIR/answer"

# The host half-closes first: what weft's program still sends arrives, and its own end is the fourth segment.
mkfifo "$DIR/keys" "$DIR/unread"
exec 6<>"$DIR/keys"
host timeout 20 nc -N -l 10.0.0.2 4010 >"$DIR/late" </dev/null 6>&- &
server=$!
host_listens 4010
ctl_start snc -c 10.0.0.2:4010 <"$DIR/keys" >/dev/null 6>&-
expect host_half_closes until_true 10 seen '^CLOSE-WAIT .*:4010' ctl ss -tn
echo late >&6
expect half_closed_host_receives until_true 10 grep -qx late "$DIR/late"
exec 6>&-
wait $server "$CTL_PID"

# A program that is interrupted or dies: FIN when it had read all, RST when not.
exec 6<>"$DIR/keys"
for signal in INT KILL; do
	host timeout 20 nc -d -l 10.0.0.2 4011 >/dev/null &
	server=$!
	host_listens 4011
	ctl_start snc -c 10.0.0.2:4011 <"$DIR/keys" >/dev/null 2>&1 6>&-
	until_true 10 seen '^ESTAB .*:4011' ctl ss -tn
	kill -$signal "$CTL_PID"
	wait "$CTL_PID" 2>/dev/null
	expect "peer_of_${signal}_reads_the_end" wait $server
done
exec 5<>"$DIR/unread"
host timeout 20 nc -l 10.0.0.2 4012 </dev/zero >/dev/null 2>&1 &
server=$!
host_listens 4012
ctl_start snc -c 10.0.0.2:4012 <"$DIR/keys" >"$DIR/unread" 2>/dev/null 5>&- 6>&-
expect bytes_wait_for_the_program until_true 10 seen '^ESTAB +[1-9][0-9]* .*:4012' ctl ss -tn
kill -KILL "$CTL_PID"
wait "$CTL_PID" $server 2>/dev/null
exec 5>&- 6>&-

# A peer that resets: snc is told, weft lives.
ctl_start snc -b 0.0.0.0:4001 >/dev/null 2>"$DIR/reset" </dev/null
server=$CTL_PID
weft_listens 4001
host python3 tests/harness/connect_from.py 10.0.0.1 4001 1
wait $server
expect reset_is_told grep -qi 'reset' "$DIR/reset"
expect reset_status test $? = 0

# SIGTERM with a connection open: FIN or RST, not silence.
host timeout 20 nc -d 10.0.0.1 7 >"$DIR/echoed" &
client=$!
until_true 5 seen ESTAB ctl ss -tn
expect weft_ends weft_down
expect client_is_told until_true 5 sh -c "! kill -0 $client"
host_capture_end

sequence rst_to_closed_port 'port 81' '^host:S weft:R\.( host:S weft:R\.)* $'
sequence host_fin_first 'port 7 and (tcp[tcpflags] & (tcp-fin|tcp-syn|tcp-rst) != 0)' '^host:S weft:S\. host:F?P?\.? ?.*F.*weft:F'
sequence weft_fin_first 'port 13 and (tcp[tcpflags] & (tcp-fin|tcp-syn|tcp-rst) != 0)' '^host:S weft:S\. weft:FP?\. host:F\. $'
sequence weft_half_close 'port 4000 and (tcp[tcpflags] & (tcp-fin|tcp-syn|tcp-rst) != 0)' '^weft:S host:S\. weft:FP?\. host:FP?\. $'
sequence four_segments_end_it 'port 4010' \
	'^weft:S host:S\. weft:\. host:F\. weft:\. weft:P\. (host:\. )?weft:F\. host:\. $'
sequence dead_programs_fin 'port 4011 and (tcp[tcpflags] & (tcp-fin|tcp-syn|tcp-rst) != 0)' \
	'^(weft:S host:S\. weft:F\. host:F\. ){2}$'
sequence dead_program_resets 'port 4012 and src 10.0.0.1 and (tcp[tcpflags] & (tcp-fin|tcp-rst) != 0)' '^(weft:R\.? )+$'
# weft's FIN may cross the reset, and draws another.
sequence host_resets 'port 4001 and (tcp[tcpflags] & tcp-rst != 0)' '^(host:R\.? )+$'

weft_up --mac 02:00:00:00:00:01 -c 'inetd daytime'
# State by state, the segment that leads out of it being lost.
in_state() {
	seen "^$1 .*:$2\\b" ctl ss -tan
}
gone() {
	! seen ":$1\\b" ctl ss -tan
}
mkfifo "$DIR/words"
# opens PORT: weft's snc to the host's program; closing 6 ends the one's input, words to 7 move the other.
opens() {
	exec 6<>"$DIR/keys" 7<>"$DIR/words"
	host timeout 60 python3 tests/harness/by_word.py listen 10.0.0.2 "$1" <"$DIR/words" 6>&- 7>&- &
	server=$!
	host_listens "$1"
	ctl_start snc -c "10.0.0.2:$1" >/dev/null 2>&1 <"$DIR/keys" 6>&- 7>&-
	client=$CTL_PID
	until_true 10 in_state ESTAB "$1"
}
ends() {
	echo end >&7
	wait $server $client
	exec 6>&- 7>&-
}
opens 4002
exec 6>&-
expect close_to_finwait2 until_true 10 in_state FIN-WAIT-2 4002
echo fin >&7
expect finwait2_to_timewait until_true 10 in_state TIME-WAIT 4002
ends
opens 4003
ctl netem tap0 out loss 100%
exec 6>&-
expect close_to_finwait1 until_true 10 in_state FIN-WAIT-1 4003
echo fin >&7
expect finwait1_to_closing until_true 10 in_state CLOSING 4003
ctl netem tap0 off
expect closing_to_timewait until_true 10 in_state TIME-WAIT 4003
ends
opens 4004
echo fin >&7
expect peers_fin_to_closewait until_true 10 in_state CLOSE-WAIT 4004
ctl netem tap0 out loss 100%
exec 6>&-
expect close_to_lastack until_true 10 in_state LAST-ACK 4004
ctl netem tap0 off
expect lastack_to_closed until_true 10 gone 4004
ends

# Nobody reads any more: FIN-WAIT-2 ends by itself, data meet a reset, which is counted.
ctl sysctl net.ipv4.tcp_fin_timeout=1 >/dev/null
exec 7<>"$DIR/words"
host timeout 60 python3 tests/harness/by_word.py connect 10.0.0.1 13 <"$DIR/words" 7>&- &
client=$!
expect orphan_in_finwait2 until_true 10 seen '^FIN-WAIT-2 .* timer:\(timewait,[0-9]+ms,0\)' ctl ss -tano
expect orphan_ends_in_time until_true 10 sh -c "! '$WEFT' ctl --control '$DIR/control' ss -tan | grep -q ^FIN-WAIT-2"
echo end >&7
wait $client
ctl sysctl net.ipv4.tcp_fin_timeout=60 >/dev/null
host timeout 60 python3 tests/harness/by_word.py connect 10.0.0.1 13 <"$DIR/words" 7>&- &
client=$!
expect orphan_is_called_so until_true 10 seen '^FIN-WAIT-2 .* orphan$' ctl ss -tane
echo data >&7
expect data_after_close_counted until_true 10 seen '^TcpExtTCPAbortOnData +1 ' ctl nstat
expect data_after_close_resets sh -c "! '$WEFT' ctl --control '$DIR/control' ss -tan | grep -q ^FIN-WAIT-2"
echo end >&7
wait $client
exec 7>&-

# TIME-WAIT: shown with its time, which runs down; two MSL as set when it began.
time_wait_left() {
	ctl ss -tano | sed -n 's/^TIME-WAIT .*timer:(timewait,\([0-9]*\)\(\.[0-9]*\)\{0,1\}sec,.*/\1/p' | sort -n | head -n 1
}
runs_down() {
	[ "$(time_wait_left)" -lt "$left" ]
}
host timeout 10 nc -d 10.0.0.1 13 >/dev/null
left=$(time_wait_left)
expect timewait_lasts test "$left" -ge 30
expect timewait_runs_down until_true 10 runs_down
waiting=$(gauge timewait)
no_more_wait() {
	[ "$(gauge timewait)" -le "$waiting" ]
}
ctl sysctl net.weft.tcp_msl_ms=100 >/dev/null
host timeout 10 nc -d 10.0.0.1 13 >/dev/null
expect timewait_of_two_msl until_true 5 no_more_wait
ctl sysctl net.weft.tcp_msl_ms=30000 >/dev/null

# 10,000 connections of one four-tuple, each of which weft closed last time: no SYN is refused, none is repeated,
# and each number is ahead of the one before.
resets=$(ctl nstat -a TcpOutRsts)
host_capture "$DIR/isn" 'tcp[tcpflags] & tcp-syn != 0'
expect same_port_10000_times host timeout 100 python3 tests/harness/connect_from.py 10.0.0.1 13 10000 40000 eof
host_capture_end
expect each_took_its_timewait_over seen '^TcpExtTWRecycled +9999 ' ctl nstat
expect none_was_reset test "$resets" = "$(ctl nstat -a TcpOutRsts)"
expect isn_goes_ahead sh -c "tcpdump -n -S -tt -r '$DIR/isn' 2>/dev/null | python3 tests/harness/isn.py one 10000"
host sysctl -q -w net.ipv4.tcp_timestamps=0
expect same_port_without_timestamps host timeout 60 python3 tests/harness/connect_from.py 10.0.0.1 13 1000 40000 eof
expect weft_ends_again weft_down
exit $failed
