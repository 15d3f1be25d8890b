#!/bin/bash
# What connections look like on the wire: RST to a closed port, both half-closes, FIN from either end, a reset.
. tests/harness/net.sh
need tcpdump nc python3
net_begin
weft_up -c inetd

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
# weft's FIN may cross the reset, and draws another.
sequence host_resets 'port 4001 and (tcp[tcpflags] & tcp-rst != 0)' '^(host:R\.? )+$'
exit $failed
