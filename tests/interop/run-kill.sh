#!/bin/bash
# `weft run`: either side of busy connections killed at any moment; the other sees an end or a reset, and nothing is left.
. tests/harness/net.sh
need python3
net_begin
weft_up -c 'inetd echo chargen'

run_start() {
	"$WEFT" run --control "$DIR/control" -- "$@" </dev/null >>"$DIR/run.log" 2>&1 &
}

# The same for no more than 60 s: then its status is 124.
run_limited() {
	timeout 60 "$WEFT" run --control "$DIR/control" -- "$@" </dev/null >>"$DIR/run.log" 2>&1 &
}

# program PID: the program that this weft run has begun.
program() {
	until_true 10 pgrep -P "$1"
	pgrep -P "$1"
}

none_left() {
	[ "$(ctl ss -tan | grep -cv -e State -e LISTEN -e TIME-WAIT)" = 0 ] && [ "$(ctl ss -tuanp | grep -c users:)" = 0 ] &&
		[ "$(gauge tcp_orphans)" = 0 ]
}

for i in 1 2 3 4 5 6 7 8; do
	run_start python3 tests/harness/run_busy.py 10.0.0.1 7 19
	victims[i]=$!
done
for i in 1 2 3 4 5 6 7 8; do
	kill -9 "$(program "${victims[i]}")"
done
killed=0
for i in 1 2 3 4 5 6 7 8; do
	wait "${victims[i]}"
	[ $? != 137 ] || killed=$((killed + 1))
done
expect clients_killed test $killed = 8
expect nothing_left_of_clients until_true 20 none_left

# The server is killed, its clients are on weft too: each ends by itself.
run_start python3 tests/harness/run_busy.py listen 9000
server=$!
weft_listens 9000
for i in 1 2 3 4; do
	run_start python3 tests/harness/run_busy.py 127.0.0.1 9000 9000
	victims[i]=$!
done
until_true 10 bash -c "[ \"\$('$WEFT' ctl --control '$DIR/control' ss -tn | grep -c ESTAB)\" -ge 16 ]"
kill -9 "$(program $server)"
ended=0
for i in 1 2 3 4; do
	wait "${victims[i]}" && ended=$((ended + 1))
done
wait $server
expect clients_of_a_killed_server_end test $ended = 4
expect nothing_left_of_server until_true 20 none_left

# weft is killed: no client hangs.
for i in 1 2 3 4; do
	run_limited python3 tests/harness/run_busy.py 10.0.0.1 7 19
	victims[i]=$!
done
until_true 10 bash -c "[ \"\$('$WEFT' ctl --control '$DIR/control' ss -tn | grep -c ESTAB)\" -ge 8 ]"
kill -9 "$WEFT_PID"
wait "$WEFT_PID" 2>/dev/null
WEFT_PID=
ended=0
for i in 1 2 3 4; do
	wait "${victims[i]}"
	[ $? = 124 ] || ended=$((ended + 1)) # an error in connect() is an end too
done
expect clients_of_a_killed_weft_end test $ended = 4
exit $failed
