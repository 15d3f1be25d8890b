#!/bin/bash
# SIGINT ends each command, whatever it waits for, and the stack lives.
. tests/harness/net.sh
need ping nc
net_begin
weft_up -c inetd
host nc -l -k 10.0.0.2 4000 >/dev/null </dev/null &
host_listens 4000
ip -n "$NS" neigh add 10.0.0.88 lladdr 02:00:00:00:00:88 dev tap0
ctl neigh add 10.0.0.88 lladdr 02:00:00:00:00:88 dev tap0
mkfifo "$DIR/open"
exec 4<>"$DIR/open"

# interrupted NAME COMMAND...: it runs until SIGINT, then ends within 3 s.
interrupted() {
	name=$1
	shift
	ctl_start "$@" >"$DIR/said" 2>&1 <"$DIR/open"
	client=$CTL_PID
	until_true 3 seen "client +$1" ctl jobs
	if ! kill -INT $client 2>/dev/null; then
		sed 's/^/  | /' "$DIR/said"
		fail "sigint_$name" "it had ended already"
		wait $client
		return
	fi
	if until_true 3 sh -c "! kill -0 $client"; then
		wait $client
		expect "sigint_$name" test $? != 0 -o -s "$DIR/said"
	else
		kill -9 $client
		wait $client
		fail "sigint_$name" "it goes on"
	fi
}

interrupted ping ping 10.0.0.2
interrupted ping_nobody ping 10.0.0.88
interrupted ping2 ping2 10.0.0.2
interrupted arping arping 10.0.0.2
interrupted traceroute traceroute 10.0.0.88
interrupted snc_accept snc -b 0.0.0.0:1234
interrupted snc_connect snc -c 10.0.0.88:1234
interrupted snc_recv snc -c 10.0.0.2:4000
interrupted snc_udp snc -u -b 0.0.0.0:1235
interrupted tcpdump tcpdump -i tap0
expect stack_lives host ping -q -c 2 -i 0.01 -W 2 10.0.0.1
expect no_job_left sh -c "! '$WEFT' ctl --control '$DIR/control' jobs | grep -E 'ping|snc|arping|traceroute|tcpdump'"
expect weft_ends weft_down

# The shell on standard input: SIGINT ends the command, the next line runs.
mkfifo "$DIR/lines"
ip netns exec "$NS" "$WEFT" --control "$DIR/control2" <"$DIR/lines" >"$DIR/shell" 2>&1 &
WEFT_PID=$!
exec 5>"$DIR/lines"
echo 'ping 10.0.0.2' >&5
until_true 10 seen 'icmp_seq|bytes from|seq=' cat "$DIR/shell"
kill -INT $WEFT_PID
echo 'help' >&5
expect shell_goes_on until_true 5 grep -q 'traceroute' "$DIR/shell"
exec 5>&-
expect shell_ends_with_input until_true 10 sh -c "! kill -0 $WEFT_PID"
wait $WEFT_PID
WEFT_PID=
exit $failed
