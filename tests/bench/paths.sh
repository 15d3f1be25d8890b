#!/bin/bash
# tests/bench/paths.sh BUILD [--json] - weft's TCP beside the kernel's over the same bad paths, in one run.
#
#	namespace A                    the path                     namespace B
#	weft -- tap0 -- kernel --+
#	                         +-- tapa -- a router -- tapb -- kernel
#	            kernel ------+
#
# The router is a weft that forwards, with netem on both of its devices; whoever is measured in A, weft or the
# kernel, talks through it to the kernel in B, both ends with the same congestion control.  Each case runs
# SECONDS_EACH (10) each way, ROUNDS (1) times, weft and kernel by turns with the same seed; CASES (a pattern
# of names) and CC (cubic) choose.  What counts is what the receiving program has read, every byte of it
# compared; a run that fails shows nothing and makes the exit status 1.  docs/bench.md says what the figures mean.
set -u
build=${1:?usage: tests/bench/paths.sh BUILD [--json]}
json=${2:-}
rounds=${ROUNDS:-1} seconds=${SECONDS_EACH:-10} only=${CASES:-.} algorithms=${CC:-cubic}
cd "$(dirname "$0")/../.." || exit 1
weft=$build/weft
# shellcheck source=tests/bench/rig.sh
. tests/bench/rig.sh
a=weft-paths-$$-a b=weft-paths-$$-b

# NAME: netem's words for the way of the data; /: for the way back.
paths() {
	cat <<'PATHS'
plain delay 10ms rate 200mbit limit 1000 / delay 10ms
long delay 100ms rate 100mbit limit 4000 / delay 100ms
loss1 delay 10ms loss 1% limit 10000 / delay 10ms
loss1_both delay 10ms loss 1% limit 10000 / delay 10ms loss 1%
loss3 delay 10ms loss 3% limit 10000 / delay 10ms
loss10 delay 5ms loss 10% limit 10000 / delay 5ms
loss30 delay 1ms loss 30% limit 10000 / delay 1ms
bursts delay 10ms rate 100mbit limit 1000 loss gemodel 0.1% 20% / delay 10ms
blackouts delay 10ms rate 100mbit limit 1000 blackout 500ms 4s / delay 10ms
reorder50 delay 10ms rate 100mbit reorder 50% limit 10000 / delay 10ms
corrupt10 delay 5ms corrupt 10% limit 10000 / delay 5ms
jitter delay 20ms 5ms rate 100mbit limit 10000 / delay 10ms
PATHS
}

ctl() {
	"$weft" ctl --control "$dir/control" "$@"
}

networks() {
	namespace "$a" "$b"
	ip netns exec "$a" "$weft" --dev tap:tapa --addr 10.1.0.1/24 --host-addr none --dev tap:tapb \
		--addr 10.2.0.1/24 --host-addr none --control "$dir/control" -d 2>"$dir/router" &
	until ctl help >/dev/null 2>&1; do
		kill -0 $! || { cat "$dir/router" >&2; exit 1; }
		sleep 0.05
	done
	ip -n "$a" link set tapb netns "$b"
	ip -n "$a" tuntap add dev tap0 mode tap vnet_hdr
	up "$a" tap0 10.0.0.2/24
	up "$a" tapa 10.1.0.2/24
	up "$b" tapb 10.2.0.2/24
	ip -n "$a" route add 10.2.0.0/24 via 10.1.0.1
	ip -n "$b" route add default via 10.2.0.1
	ip netns exec "$a" sysctl -qw net.ipv4.ip_forward=1
	ctl route add 10.0.0.0/24 via 10.1.0.2 >/dev/null
}

up() {
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" link set "$2" up
}

# impair out|in WORDS / WORDS: the way of the data from A to B (out), or back (in).
impair() {
	to=$1
	shift
	ways=$*
	forth=${ways%% / *} back=${ways##* / }
	[ "$to" = out ] || { to=$forth forth=$back back=$to; }
	ctl netem tapb off >/dev/null
	# shellcheck disable=SC2086 # words
	ctl netem tapb out $forth seed "$seed" && ctl netem tapb in $back seed "$seed"
}

# measure WHO NAME WAY CC: Mbit/s to the results as "CC NAME WAY WHO".
measure() {
	weft_is=()
	[ "$1" != weft ] || weft_is=(-w "tap0,10.0.0.1/24,10.0.0.2")
	serve "$b" -p -c "$4"
	got=$(timeout $((seconds * 6)) ip netns exec "$a" "$bench" -p -c "$4" "${weft_is[@]}" "$3" 10.2.0.2 "$seconds") ||
		got=
	end_server || got=
	ctl netem tapb off >/dev/null
	result "$4 $2 $3 $1" "$(awk -v g="$got" 'BEGIN { if (g != "") printf "%.2f", g * 1000 }')"
}

networks
[ "$json" = --json ] || printf '%-8s %-12s %-10s %12s %12s %8s\n' "" path "data go" "weft, Mbit/s" "kernel" ratio
comma='['
for cc in $algorithms; do
	while read -r name words; do
		echo "$name" | grep -qE "$only" || continue
		for way in out in; do
			for seed in $(seq "$rounds"); do
				for who in kernel weft; do
					impair $way "$words"
					measure $who "$name" $way "$cc"
				done
			done
			w="$cc $name $way weft" k="$cc $name $way kernel"
			if [ "$json" = --json ]; then
				printf '%s{"cc": "%s", "path": "%s", "way": "%s", "weft": %s, "kernel": %s}' \
					"$comma" "$cc" "$name" $way "$(number "$w")" "$(number "$k")"
				comma=', '
			else
				w=$(median "$w") k=$(median "$k")
				way_text='from weft'
				[ $way = out ] || way_text='to weft'
				printf '%-8s %-12s %-10s %12s %12s %8s\n' "$cc" "$name" "$way_text" "${w:--}" "${k:--}" \
					"$(ratio "$w" "$k")"
			fi
		done
	done < <(paths)
done
[ "$json" != --json ] || echo ']'
report_failures
