#!/bin/bash
# After kill -9 weft starts again at once: the device is free, the dead one's control socket is replaced.
# sanitize: yes
. tests/harness/net.sh
need ping
net_begin
for round in 1 2 3; do
	weft_up -c 'inetd echo'
	expect "round_${round}_runs" host ping -q -c 1 -W 5 10.0.0.1
	expect "round_${round}_ctl" ctl help jobs
	kill -9 "$WEFT_PID"
	wait "$WEFT_PID" 2>/dev/null
	[ -S "$DIR/control" ] || fail "round_${round}_socket" 'it is gone: the test does not test'
done
weft_up
expect ends weft_down
if [ ! -e "$DIR/control" ]; then pass socket_removed; else fail socket_removed "$(ls "$DIR")"; fi
exit $failed
