#!/bin/bash
# A group: weft's program joins, hears what the host sends there, is heard, leaves; the host's tcpdump sees report and leave.
. tests/harness/net.sh
need python3 tcpdump
net_begin
weft_up
host_capture "$DIR/cap" igmp

run() {
	timeout 30 "$WEFT" run --control "$DIR/control" -- "$@"
}

run python3 tests/harness/group.py 10.0.0.1 hear >"$DIR/weft" 2>&1 </dev/null &
program=$!
until_true 10 grep -qx joined "$DIR/weft"
expect host_asks host timeout 20 python3 tests/harness/group.py 10.0.0.2 ask
wait $program
expect weft_answers grep -qx 'question from 10\.0\.0\.2' "$DIR/weft"
host_capture_end
tcpdump -n -v -r "$DIR/cap" >"$DIR/igmp" 2>/dev/null
expect reported grep -Eq '10\.0\.0\.1 > 239\.1\.2\.3: igmp v2 report 239\.1\.2\.3' "$DIR/igmp"
expect left grep -Eq '10\.0\.0\.1 > 224\.0\.0\.2: igmp leave 239\.1\.2\.3' "$DIR/igmp"
expect router_alert grep -Eq 'ttl 1,.*options \(RA\)' "$DIR/igmp"
[ "$failed" = 0 ] || sed 's/^/  | /' "$DIR/igmp" "$DIR/weft"
expect weft_ends weft_down
exit $failed
