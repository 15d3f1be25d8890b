# shellcheck shell=sh disable=SC2034
# tests/harness/commands.sh - for scripts that try the net shell's commands on a weft of their own; sourced.
#
#	says NAME PATTERN COMMAND...		status 0, and some line of the output fits the pattern (grep -E);
#						'': there is none
#	fails NAME STATUS PATTERN COMMAND...	that status, and a line fits
#	start FILE COMMAND...			behind this script, its output there; a signal to $STARTED reaches it
#
# COMMAND is the net shell's.
. tests/harness/net.sh

fails() {
	fails_name=$1 fails_status=$2 fails_pattern=${3:-^\$}
	shift 3
	timeout 60 "$WEFT" ctl --control "$DIR/control" "$@" >"$DIR/out" 2>&1 </dev/null
	fails_got=$?
	if [ "$fails_got" != "$fails_status" ]; then
		sed 's/^/  | /' "$DIR/out" | tail -n 20
		fail "$fails_name" "status $fails_got, not $fails_status"
	elif [ "$fails_pattern" = '^$' ] && [ ! -s "$DIR/out" ]; then
		pass "$fails_name"
	elif ! grep -Eq -e "$fails_pattern" "$DIR/out"; then
		sed 's/^/  | /' "$DIR/out" | tail -n 20
		fail "$fails_name" "no line like '$fails_pattern'"
	else
		pass "$fails_name"
	fi
}

says() {
	says_name=$1 says_pattern=$2
	shift 2
	fails "$says_name" 0 "$says_pattern" "$@"
}

start() {
	start_log=$1
	shift
	"$WEFT" ctl --control "$DIR/control" "$@" >"$start_log" 2>&1 </dev/null &
	STARTED=$!
}
