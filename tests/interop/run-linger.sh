#!/bin/bash
# `weft run`: SO_LINGER with a time: close() waits by the library, others go on meanwhile; notified programs' close() is
# the kernel's.
. tests/harness/net.sh
need python3
net_begin
weft_up -c 'inetd echo'

ip netns exec "$NS" timeout 100 python3 tests/harness/linger_host.py 9000 >"$DIR/read" 2>&1 &
server=$!
host_listens 9000
expect linger_preload timeout 60 "$WEFT" run --control "$DIR/control" --mode preload -- python3 tests/harness/run_linger.py 10.0.0.2 9000 10.0.0.1 waits
expect linger_notify timeout 60 "$WEFT" run --control "$DIR/control" --mode notify -- python3 tests/harness/run_linger.py 10.0.0.2 9000 10.0.0.1 goes
kill $server
expect nothing_lingers_for_ever until_true 20 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -tnp | grep -q users:"
expect weft_ends weft_down
exit $failed
