#!/bin/bash
# `weft run`: urgent data, with the library and with notified calls, against weft itself and against the host's kernel.
. tests/harness/net.sh
need python3
net_begin
weft_up

ip netns exec "$NS" timeout 100 python3 tests/harness/urgent_host.py 9000 >"$DIR/seen" 2>&1 &
server=$!
host_listens 9000
for mode in preload notify; do
	expect "urgent_$mode" timeout 60 "$WEFT" run --control "$DIR/control" --mode $mode -- python3 tests/harness/run_urgent.py 10.0.0.1 10.0.0.2 9000
done
expect host_saw_both test "$(grep -c "b'text', True, b'U', b'more'" "$DIR/seen")" = 2
kill $server
expect weft_ends weft_down
exit $failed
