#!/bin/bash
# `weft run` stops with its program and continues with it, as a job of a shell on a terminal.
. tests/harness/net.sh
need python3 bash
net_begin
weft_up

expect stops_as_a_job timeout 100 python3 tests/harness/run_stops.py "$WEFT" run --control "$DIR/control" --
expect weft_ends weft_down
exit $failed
