#!/bin/sh
# tests/run-unit.sh BUILD - runs the Check program of every tests/*/test_*.c, as many at once as there are CPUs.
# One that is not built is a failure.
#
# One line a program, the whole output of one that fails, last `unit: N passed, N failed, N skipped`.
# RESULTS names a file that gets the same as `suite unit P F S` and each failure as `not ok unit ...`.
set -u

limit=${LIMIT:-300} # seconds a program; each test in it has CK_DEFAULT_TIMEOUT
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-60}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"

cd "$(dirname "$0")/.." || exit 1

# Runs one program and leaves `P F S` in its result file.
run_one() {
	bin=$1
	name=${bin#"$2"/tests/}
	log=$bin.log
	mkdir -p "${bin%/*}"
	start=$(date +%s)
	timeout -k 10 "$limit" "$bin" >"$log" 2>&1 </dev/null
	rc=$?
	took=$(($(date +%s) - start))
	# Check's own count: `100%: Checks: 11, Failures: 0, Errors: 0`
	counts=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
		"$log" | awk '{ n += $1; f += $2 + $3 } END { if (NR) print n, f }')
	if [ -z "$counts" ]; then
		why="no result, exit status $rc"
		[ "$rc" != 127 ] || why="not built"
		[ "$rc" != 124 ] || why="no end within $limit s"
		counts="1 1"
	fi
	checks=${counts% *} failed=${counts#* }
	if [ "$rc" != 0 ] && [ "$failed" = 0 ]; then
		why="exit status $rc"
		checks=$((checks + 1)) failed=1
	fi
	echo "$((checks - failed)) $failed 0" >"$bin.result"
	if [ "$failed" = 0 ]; then
		printf '  ok      %-40s %4d passed  %3d s\n' "$name" "$checks" "$took"
		exit 0
	fi
	printf '  NOT OK  %-40s %4d of %d failed: %s\n%s\n' "$name" "$failed" "$checks" "${why:-see below}" \
		"$(tail -n 200 "$log" | sed 's/^/          /')"
	# Check's own line of each: `file.c:12:F:case:test:0: what`
	which=$(sed -n 's/^[^ :]*:-\{0,1\}[0-9]*:[FES]:[^:]*:\([^:]*:[0-9]*\): \(.*\)/\1 \2/p' "$log" | head -n 3 | paste -sd ';' -)
	[ -z "${RESULTS:-}" ] || printf '%s\n' "not ok unit $name: ${why:-$failed of $checks failed: $which}" >>"$RESULTS"
	exit 0
}

[ "${1:-}" != --one ] || run_one "$2" "$3"

build=${1:?usage: tests/run-unit.sh BUILD}
programs=$(printf '%s\n' tests/*/test_*.c | sed -n "s|\(.*\)\.c$|$build/\1|p")
# ThreadSanitizer cannot map its shadow on kernels that randomize much; personality() may be refused.
fixed=
! setarch -R true 2>/dev/null || fixed="setarch -R"
echo "$programs" | sed 's/$/.result/' | xargs rm -f
echo "$programs" | $fixed xargs -P "$(nproc)" -I '{}' sh tests/run-unit.sh --one '{}' "$build"

sum=$(echo "$programs" | sed 's/$/.result/' | xargs cat 2>/dev/null |
	awk '{ p += $1; f += $2; s += $3; n++ } END { print p + 0, f + 0, s + 0, n + 0 }')
# shellcheck disable=SC2086 # four numbers
set -- $sum
lost=$(($(echo "$programs" | wc -l) - $4)) # a runner that was killed left no result
failed=$(($2 + lost))
[ -z "${RESULTS:-}" ] || echo "suite unit $1 $failed $3" >>"$RESULTS"
echo "unit: $1 passed, $failed failed, $3 skipped"
[ "$failed" = 0 ]
