#!/bin/sh
# tests/run.sh - `make check`: every test plain; unit, script and simulated tests again under address,undefined
# and under thread, one build folder each.
#
#   KINDS="plain thread"   only these of: plain address,undefined thread
#   CI=true                a skip is a failure
#
# Ends with every failure and skip by name, and `N passed, N failed, N skipped`.
set -u
cd "$(dirname "$0")/.." || exit 1

kinds=${KINDS:-plain address,undefined thread}
jobs=$(nproc)
export CK_DEFAULT_TIMEOUT=60
mkdir -p build
RESULTS=$PWD/build/results
export RESULTS
: >"$RESULTS"
unset MAKEFLAGS MAKELEVEL MFLAGS

title() {
	printf '\n== %s\n' "$*"
}

# build FOLDER TARGETS ARGS...: what cannot be built is one failure; what could be is tested nevertheless.
build() {
	folder=$1 targets=$2
	shift 2
	title "build $folder"
	# shellcheck disable=SC2086 # names without blanks
	make -k -s -j"$jobs" "$@" $targets && return
	printf 'not ok build %s: make failed\nsuite build 0 1 0\n' "$folder" >>"$RESULTS"
}

# The scripts of a folder: whatever is executable, and every .sh (so that a forgotten chmod is seen).
scripts_of() {
	for f in tests/"$1"/*; do
		[ -f "$f" ] || continue
		case $f in
		*.sh) echo "$f" ;;
		*) [ ! -x "$f" ] || echo "$f" ;;
		esac
	done
}

# suite KIND LABEL JOBS BUILD SCRIPTS: nothing to run is nothing to report.
suite() {
	[ -n "$5" ] || return 0
	title "$1 ($2)"
	# shellcheck disable=SC2086 # names without blanks
	sh tests/run-scripts.sh -j "$3" "$1" "$4" $5
}

unit() {
	title "unit ($1)"
	sh tests/run-unit.sh "$2"
}

plain() {
	build build "all tests"
	suite style plain "$jobs" build "$(scripts_of style)"
	unit plain build
	suite script plain 1 build "$(scripts_of script)"
	# what `make install` installs: minutes, for a release is compiled twice
	build build/release all B=build/release DEBUG=no
	suite shell plain 1 build "$(scripts_of shell)"
	# a minute of computing beside minutes of waiting
	suite sim plain "$jobs" build "$(scripts_of sim)" >build/beside 2>&1 &
	suite interop plain 1 build "$(scripts_of interop)"
	wait
	cat build/beside
}

sanitized() {
	folder=build/$1
	build "$folder" "all tests" SANITIZE="$1"
	unit "$1" "$folder"
	suite sim "$1" "$jobs" "$folder" "$(scripts_of sim)"
	suite script "$1" "$jobs" "$folder" "$(scripts_of script)"
	suite shell "$1" 1 "$folder" "$(grep -l '^# sanitize: yes$' tests/shell/*.sh 2>/dev/null)"
}

start=$(date +%s)
for kind in $kinds; do
	case $kind in
	plain) plain ;;
	*) sanitized "$kind" ;;
	esac
done

title "result after $(($(date +%s) - start)) s"
grep -E '^(not ok|skip) ' "$RESULTS" | sort | uniq -c | sed -e 's/^ *1 //' -e 's/^ *\([0-9]*\) \(.*\)/\2 (\1 times)/'
# shellcheck disable=SC2046 # three numbers
set -- $(awk '$1 == "suite" { p += $3; f += $4; s += $5 } END { print p + 0, f + 0, s + 0 }' "$RESULTS")
passed=$1 failed=$2 skipped=$3
if [ "${CI:-}" = true ] && [ "$skipped" != 0 ]; then
	echo "CI=true: each of the $skipped skipped counts as failed"
	failed=$((failed + skipped)) skipped=0
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
