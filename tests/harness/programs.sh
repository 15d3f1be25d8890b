# shellcheck shell=bash disable=SC2034
# tests/harness/programs.sh - for scripts that try Debian's programs on weft; sourced.
#
#	programs_begin PROGRAM[=PACKAGE]...	a weft in a namespace; says each one's version and how it is served
#	run COMMAND...			on weft, to its end
#	run_start NAME COMMAND...	on weft, behind this script: $RUN, its output $DIR/NAME.log; run_stop ends it
#	host_start NAME COMMAND...	the same at the host's end; host_stop
#	programs_end			nothing may be left
#	works PROGRAM WHAT COMMAND...	it must succeed
#	lacks PROGRAM WHAT COMMAND...	what is known not to work, and must fail
#
# What works and lacks print is what tests/programs.sh makes the table of docs/programs.md from; WHAT has no colon.
. tests/harness/net.sh

PATH=/usr/sbin:/usr/bin:/sbin:/bin # Debian's, whatever else there is

# mode_of PROGRAM: by what `weft run` serves it: its library, notifications, or both for Go with a libc.
mode_of() {
	mode_of=$(LC_ALL=C readelf -WlS "$(command -v "$1")" 2>/dev/null)
	case $mode_of in
	*INTERP*.note.go* | *.note.go*INTERP*) echo both ;;
	*INTERP* | '') echo preload ;;
	*) echo notify ;;
	esac
}

programs_begin() {
	net_begin
	weft_up
	mkdir "$DIR/www"
	for program in "$@"; do
		# shellcheck disable=SC2016 # dpkg's own variable
		echo "program ${program%=*} $(dpkg-query -W -f '${Version}' "${program#*=}" 2>/dev/null) $(mode_of "${program%=*}")"
	done
}

run() {
	timeout 60 "$WEFT" run --control "$DIR/control" -- "$@"
}

run_start() {
	run_log=$DIR/$1.log
	shift
	"$WEFT" run --control "$DIR/control" -- "$@" >"$run_log" 2>&1 </dev/null &
	RUN=$!
}

# run_stop [PID]: SIGTERM, which weft run passes on.
run_stop() {
	kill "${1:-$RUN}" 2>/dev/null
	wait "${1:-$RUN}" 2>/dev/null
}

host_start() {
	host_log=$DIR/$1.log
	shift
	ip netns exec "$NS" "$@" >"$host_log" 2>&1 </dev/null &
	HOST=$!
}

host_stop() {
	kill "${1:-$HOST}" 2>/dev/null
	wait "${1:-$HOST}" 2>/dev/null
}

works() {
	works_name="$1: $2"
	shift 2
	expect "$works_name" "$@"
}

lacks() {
	lacks_name="$1: without $2"
	shift 2
	if "$@" >"$DIR/out" 2>&1; then
		fail "$lacks_name" "it works"
	else
		pass "$lacks_name"
	fi
}

programs_end() {
	expect nothing_left until_true 10 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -e -t | grep -q 'fd:'"
	expect weft_ends weft_down
	exit $failed
}
