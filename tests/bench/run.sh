#!/bin/bash
# tests/bench/run.sh BUILD [--json] - weft over its TAP beside the kernel over a veth pair, in one run.
#
# The same program is both ends of both; what differs is whose sockets the measured end has.  Each case is run
# ROUNDS times (3), weft and kernel by turns, and the median counts.  SECONDS_EACH (2) and CONNECTIONS (5000)
# set how long.  docs/bench.md says what the figures mean.
set -u
build=${1:?usage: tests/bench/run.sh BUILD [--json]}
json=${2:-}
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-2} connections=${CONNECTIONS:-5000}
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/bench/rig.sh
. tests/bench/rig.sh
ns=weft-bench-$$

# The TAP stays between the runs, so that its host end is configured once.
networks() {
	namespace "$ns" "$ns-a" "$ns-b"
	ip -n "$ns" tuntap add dev tap0 mode tap vnet_hdr
	ip -n "$ns" addr add 10.0.0.2/24 dev tap0
	ip -n "$ns" link set tap0 up
	ip -n "$ns-a" link add veth0 type veth peer name veth1 netns "$ns-b"
	ip -n "$ns-a" addr add 10.0.0.1/24 dev veth0
	ip -n "$ns-b" addr add 10.0.0.2/24 dev veth1
	ip -n "$ns-a" link set veth0 up
	ip -n "$ns-b" link set veth1 up
}

# measure CASE: one run each, to the results as "CASE WHO".
measure() {
	amount=$seconds
	[ "$1" != conns ] || amount=$connections
	serve "$ns"
	say "$1" weft "$(ip netns exec "$ns" "$bench" -w tap0,10.0.0.1/24 "$1" 10.0.0.2 "$amount")"
	end_server
	serve "$ns-b"
	say "$1" kernel "$(ip netns exec "$ns-a" "$bench" "$1" 10.0.0.2 "$amount")"
	end_server
}

# measure_passive CASE: weft serves, the kernel asks.  The kernel's own figure is the one above.
measure_passive() {
	amount=$seconds
	[ "$1" != conns ] || amount=$connections
	serve "$ns" -w tap0,10.0.0.1/24
	say "$1-served" weft "$(ip netns exec "$ns" "$bench" "$1" 10.0.0.1 "$amount")"
	end_server
}

# say CASE WHO VALUES: a round trip has two of them.
say() {
	case $1 in
	rtt*)
		# shellcheck disable=SC2086 # two numbers
		set -- "$1" "$2" $3
		result "$1-p50 $2" "${3:-}"
		result "$1-p99 $2" "${4:-}"
		;;
	*) result "$1 $2" "$3" ;;
	esac
}

networks
for _ in $(seq "$rounds"); do
	for name in out in rtt conns; do
		measure $name
		measure_passive $name
	done
done

# row CASE UNIT BETTER TEXT
rows() {
	cat <<'ROWS'
out out Gbit/s more sent by weft
in in Gbit/s more received by weft
in-served in Gbit/s more sent by weft, serving
out-served out Gbit/s more received by weft, serving
rtt-p50 rtt-p50 us less round trip of 64 bytes, median
rtt-p99 rtt-p99 us less round trip of 64 bytes, p99
rtt-served-p50 rtt-p50 us less round trip, weft serving, median
rtt-served-p99 rtt-p99 us less round trip, weft serving, p99
conns conns 1/s more connections opened by weft
conns-served conns 1/s more connections accepted by weft
ROWS
}

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain -uno 2>/dev/null)" ] || commit=$commit+
cpus=$(nproc)
kernel=$(uname -r)
model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)

if [ "$json" = --json ]; then
	printf '{"commit": "%s", "cpus": %s, "kernel": "%s", "cpu": "%s", "rounds": %s, "results": {' \
		"$commit" "$cpus" "$kernel" "$model" "$rounds"
	comma=
	while read -r name base unit better _; do
		printf '%s"%s": {"weft": %s, "kernel": %s, "unit": "%s", "better": "%s"}' "$comma" "$name" \
			"$(number "$name weft")" "$(number "$base kernel")" "$unit" "$better"
		comma=', '
	done < <(rows)
	printf '}}\n'
	report_failures
	exit
fi
echo "weft $commit, Linux $kernel, $cpus CPUs ($model), median of $rounds runs"
printf '%-40s %12s %12s %8s\n' "" "weft, TAP" "kernel, veth" ratio
while read -r name base unit _ text; do
	weft=$(median "$name weft")
	beside=$(median "$base kernel")
	printf '%-40s %12s %12s %8s\n' "$text, $unit" "${weft:--}" "${beside:--}" "$(ratio "$weft" "$beside")"
done < <(rows)
report_failures
