#!/bin/sh
# tests/run-scripts.sh [-j N] KIND BUILD SCRIPT... - runs test scripts, each with WEFT_BUILD=BUILD and a time
# limit, and counts the lines `ok NAME`, `not ok NAME: why`, `skip NAME: why` they print.
#
# A script that exits with another status than 0 without a `not ok`, or that prints no result at all, is one
# failure.  Last line `KIND: N passed, N failed, N skipped`; RESULTS names a file that gets the same as
# `suite KIND P F S`, and each `not ok` and `skip`.
set -u

limit=${LIMIT:-300} # seconds a script
export LC_ALL=C.UTF-8 # ping, gcc and others speak the user's language otherwise

cd "$(dirname "$0")/.." || exit 1

run_one() {
	kind=$1 build=$2 dir=$3 script=$4
	name=${script#tests/}
	log=$dir/$(echo "$name" | tr / _)
	start=$(date +%s)
	WEFT_BUILD=$build timeout -k 10 "$limit" "./$script" >"$log" 2>&1 </dev/null
	rc=$?
	took=$(($(date +%s) - start))
	if ! grep -q '^not ok ' "$log"; then
		if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
			echo "not ok $name: no end within $limit s" >>"$log"
		elif [ "$rc" != 0 ]; then
			echo "not ok $name: exit status $rc" >>"$log"
		elif ! grep -Eq '^(ok|skip) ' "$log"; then
			echo "not ok $name: no result" >>"$log"
		fi
	fi
	awk -v name="$name" -v took="$took" '
	/^ok /     { p++ }
	/^not ok / { f++; bad = bad "          " $0 "\n" }
	/^skip /   { s++; bad = bad "          " $0 "\n" }
	END {
		printf "  %-7s %-40s %4d passed, %d failed, %d skipped  %3d s\n%s", f ? "NOT OK" : "ok", name,
			p, f, s, took, bad
	}' "$log" >"$log.line"
	if grep -q '^not ok ' "$log"; then
		sed -n '/^ok /!p' "$log" | tail -n 60 | sed 's/^/          | /' >>"$log.line"
	fi
	cat "$log.line"
	if [ -n "${RESULTS:-}" ]; then
		sed -n -e "s|^not ok |not ok $kind |p" -e "s|^skip |skip $kind |p" "$log" >>"$RESULTS"
	fi
	exit 0
}

[ "${1:-}" != --one ] || run_one "$2" "$3" "$4" "$5"

jobs=1
while getopts j: option; do
	case $option in
	j) jobs=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
kind=${1:?usage: tests/run-scripts.sh [-j N] KIND BUILD SCRIPT...}
build=$2
shift 2
case $build in
/*) ;;
*) build=$PWD/$build ;;
esac
dir=$build/log/$kind
rm -rf "$dir"
mkdir -p "$dir"
fixed= # see tests/run-unit.sh
! setarch -R true 2>/dev/null || fixed="setarch -R"
[ $# = 0 ] || printf '%s\n' "$@" | $fixed xargs -P "$jobs" -I '{}' sh tests/run-scripts.sh --one "$kind" "$build" "$dir" '{}'

passed=0 failed=0 skipped=0
for script in "$@"; do
	log=$dir/$(echo "${script#tests/}" | tr / _)
	p=$(grep -c '^ok ' "$log") f=$(grep -c '^not ok ' "$log") s=$(grep -c '^skip ' "$log")
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1})) skipped=$((skipped + ${s:-0}))
done
[ -z "${RESULTS:-}" ] || echo "suite $kind $passed $failed $skipped" >>"$RESULTS"
echo "$kind: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
