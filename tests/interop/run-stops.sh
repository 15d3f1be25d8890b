#!/bin/bash
# `weft run` stops with its program and continues with it, as a job of a shell on a terminal.
. tests/harness/net.sh
need python3 bash
net_begin
weft_up

expect stops_as_a_job timeout 100 python3 tests/harness/run_stops.py "$WEFT" run --control "$DIR/control" --

# What a process sends to `weft run` is the program's to decide.
passed_on() {
	rm -f "$DIR/came"
	timeout 30 "$WEFT" run --control "$DIR/control" -- python3 -c '
import signal, sys
def came(n, _):
    open(sys.argv[1], "w").write(signal.Signals(n).name)
    sys.exit(7)
for n in (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGHUP):
    signal.signal(n, came)
open(sys.argv[1] + ".ready", "w").close()
while True:
    signal.pause()' "$DIR/came" &
	passed_run=$!
	until_true 20 test -e "$DIR/came.ready" || return 1
	rm "$DIR/came.ready"
	kill -"$1" "$(pgrep -P "$passed_run")"
	wait "$passed_run"
	[ $? = 7 ] && [ "$(cat "$DIR/came")" = "SIG$1" ]
}
for signal in INT QUIT USR1 USR2 TERM HUP; do
	expect "passed_on_$signal" passed_on $signal
done
expect weft_ends weft_down
exit $failed
