#!/bin/bash
# SIGTERM and SIGHUP end weft with status 0: its connections with FIN or RST, its blocked calls, its threads;
# the device and the control socket go.  SIGINT does not.
# sanitize: yes
. tests/harness/net.sh
need nc
net_begin

# is NAME CONDITION...: test(1).
is() {
	is_name=$1
	shift
	if [ "$@" ]; then pass "$is_name"; else fail "$is_name" "not $*"; fi
}

# shows FILE TEXT: returns when a line of FILE has TEXT.
shows() {
	timeout 60 sh -c "tail -n +1 -F '$1' 2>/dev/null | grep -q -m1 '$2'"
}

gone() {
	is "$1_device_gone" "$(ip -n "$NS" link | grep -c tap0)" = 0
	is "$1_socket_gone" ! -e "$DIR/control"
}

weft_up -c 'inetd; httpd'
is threads "$(ps -T -o comm= -p "$WEFT_PID" | sort -u | tr '\n' ' ')" = 'job net_timer netdev tcp_timer weft '
mkfifo "$DIR/in"
exec 3<>"$DIR/in"
: >"$DIR/nc"
host timeout 60 nc -d -v 10.0.0.1 7 >"$DIR/nc" 2>&1 &
client=$!
shows "$DIR/nc" succeeded
"$WEFT" ctl --control "$DIR/control" snc -l 0.0.0.0:1234 </dev/null >/dev/null 2>&1 &
accepting=$!
"$WEFT" ctl --control "$DIR/control" snc -c 10.0.0.1:9 <&3 >/dev/null 2>&1 &
reading=$!
"$WEFT" ctl --control "$DIR/control" wait >/dev/null 2>&1 &
waiting=$!
kill -INT "$WEFT_PID"
expect interrupt_does_not_end_it ctl help jobs
timeout 60 sh -c "until [ \$('$WEFT' ctl --control '$DIR/control' jobs | grep -c client) = 3 ]; do :; done"
weft_down
is term_status $? = 0
wait "$client"
is peer_sees_the_end $? != 124
wait "$accepting" "$reading" "$waiting"
is blocked_calls_end $? != 0
gone term
exec 3>&-

weft_up
kill -HUP "$WEFT_PID"
wait "$WEFT_PID"
is hup_status $? = 0
gone hup

weft_up
ctl exit 5
is exit_by_ctl $? = 5
gone exit_waited
wait "$WEFT_PID"
is exit_status $? = 5
gone exit

# A command blocked in the kernel, on a pipe that nobody reads.
mkfifo "$DIR/pipe"
exec 3<>"$DIR/pipe" 4<>"$DIR/in"
weft_up -c 'inetd chargen'
"$WEFT" ctl --control "$DIR/control" snc -c 127.0.0.1:19 <&4 >&3 2>/dev/null &
client=$!
expect pipe_is_full until_full <&3
weft_down
is term_with_a_blocked_writer $? = 0
wait "$client"
gone blocked
exec 3>&- 4>&-

# A second SIGTERM does no harm.
weft_up
kill -TERM "$WEFT_PID"
kill -TERM "$WEFT_PID" 2>/dev/null
wait "$WEFT_PID"
is term_twice $? = 0
WEFT_PID=
gone twice
exit $failed
