#!/bin/bash
# With offload: each frame on tap0 is finished or marked; weft's own capture shows finished ones.
. tests/harness/net.sh
. tests/harness/traffic.sh
need tcpdump nc curl python3
net_begin
weft_up -c 'inetd; httpd 80'

ip netns exec "$NS" python3 tests/harness/vnet_frames.py tap0 "$DIR/looks" >"$DIR/frames" 2>&1 &
looker=$!
until_true 10 test -e "$DIR/looks"
weft_capture "$DIR/cap"
weft_cut=$DIR/cut
ctl_start tcpdump -i tap0 -w "$weft_cut" --cut >/dev/null 2>&1 </dev/null
cutter=$CTL_PID
until_true 10 test -s "$weft_cut"
traffic
weft_capture_end
kill -INT $cutter
wait $cutter
kill -INT $looker
if wait $looker; then
	pass each_frame_finished_or_marked
else
	sed 's/^/  | /' "$DIR/frames"
	fail each_frame_finished_or_marked "see above"
fi
expect super_frames_are_used grep -Eq "'super': [1-9]" "$DIR/frames"
if printf '6.6\n%s\n' "$(uname -r)" | sort -CV; then
	expect big_ones_too grep -Eq "'big': [1-9]" "$DIR/frames"
fi

# right NAME FILE: tcpdump's verdict.
right() {
	tcpdump -n -vvv -r "$2" >"$DIR/dump" 2>/dev/null
	expect "$1_is_not_empty" test "$(grep -c 'cksum' "$DIR/dump")" -gt 30
	grep -E '\(incorrect|bad (udp |icmp )?cksum|wrong' "$DIR/dump" | grep -v ' 10\.0\.0\.2\.[0-9]* > ' >"$DIR/wrong"
	if [ -s "$DIR/wrong" ]; then
		fail "$1_checksums_right" "$(wc -l <"$DIR/wrong") wrong: $(head -n 1 "$DIR/wrong")"
	else
		pass "$1_checksums_right"
	fi
}
right own_capture "$DIR/cap"
right own_capture_cut "$weft_cut"
# shellcheck disable=SC2046
longest=$(tcpdump -n -e -r "$weft_cut" 2>/dev/null | sed -n 's/^.*, length \([0-9]*\): 10\.0.*$/\1/p' | sort -n | tail -n 1)
expect cut_capture_has_wire_frames test "${longest:-0}" -le 1514
expect weft_ends weft_down
exit $failed
