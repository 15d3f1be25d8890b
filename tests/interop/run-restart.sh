#!/bin/bash
# `weft run`: connect() and signals, as on the kernel's TCP: SA_RESTART, SO_SNDTIMEO, a jump out of the handler, a thread cancelled, two at once.
. tests/harness/net.sh
need cc socat
net_begin
weft_up -c inetd
expect restart_builds cc -O1 -pthread -o "$DIR/restart" tests/harness/preload/restart.c

ip netns exec "$NS" socat TCP-LISTEN:7,fork,reuseaddr EXEC:cat >"$DIR/echo" 2>&1 &
echo=$!
host_listens 7
host timeout 60 "$DIR/restart" 10.0.0.77 10.0.0.2 7 >"$DIR/kernel"
kill $echo
expect kernel_echoes grep -qx 'echoes: 20 exact' "$DIR/kernel"

for mode in preload notify; do
	timeout 60 "$WEFT" run --control "$DIR/control" --mode $mode -- "$DIR/restart" 10.0.0.77 10.0.0.1 7 >"$DIR/$mode"
done
expect preload_is_as_the_kernel diff "$DIR/kernel" "$DIR/preload"
# There a time has no part in what a signal does (docs/unmodified.md).
times='^goes on:\|^has a time, restarts:'
expect notify_is_as_the_kernel diff <(grep -v "$times" "$DIR/kernel") <(grep -v "$times" "$DIR/notify")
expect weft_ends weft_down
exit $failed
