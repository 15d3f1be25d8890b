#!/bin/bash
# tests/bench/rig.sh - sourced by the benches with $build set: a folder and network namespaces that last as long
# as the run, the server at the other end, and what was measured.
bench=${build:?}/tests/bench/bench
failures=0

if [ "$(id -u)" != 0 ] || [ ! -c /dev/net/tun ]; then
	echo "weft: bench: needs root and /dev/net/tun" >&2
	exit 1
fi
dir=$(mktemp -d)
namespaces=()
finish() {
	for name in "${namespaces[@]}"; do
		ip netns pids "$name" 2>/dev/null | while read -r pid; do kill -9 "$pid" 2>/dev/null; done
		ip netns del "$name" 2>/dev/null
	done
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

# namespace NAME...: made now, gone at the end with all that runs there.
namespace() {
	for name in "$@"; do
		ip netns add "$name" || exit 1
		namespaces+=("$name")
	done
}

# serve NAMESPACE ARGS...: a server; it ends with end_server.
serve() {
	server_ns=$1
	shift
	rm -f "$dir/stdin"
	mkfifo "$dir/stdin"
	ip netns exec "$server_ns" "$bench" "$@" serve <"$dir/stdin" >"$dir/ready" &
	server=$!
	exec 7>"$dir/stdin"
	until grep -q ready "$dir/ready"; do
		kill -0 "$server" || exit 1
		sleep 0.02
	done
}

# False: it had ended by itself, for what it received was wrong.
end_server() {
	exec 7>&-
	wait "$server"
}

# result KEY VALUE: one run's figure; without a value the run has failed.
result() {
	if [ -n "$2" ]; then
		printf '%s\t%s\n' "$1" "$2" >>"$dir/results"
	else
		failures=$((failures + 1))
		failed_keys=${failed_keys:+$failed_keys, }$1
	fi
}

# median KEY: of the runs that did not fail; nothing when all did.
median() {
	[ ! -e "$dir/results" ] || awk -F '\t' -v k="$1" '$1 == k { print $2 }' "$dir/results" | sort -n |
		awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'
}

# number KEY: the same for JSON.
number() {
	median "$1" | grep . || echo null
}

ratio() {
	awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else printf "-" }'
}

# The bench's own end: 1 and a line when a run has failed.
report_failures() {
	[ $failures != 0 ] || return 0
	echo "weft: bench: $failures runs failed: $failed_keys" >&2
	return 1
}
