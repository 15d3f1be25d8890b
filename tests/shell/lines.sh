#!/bin/bash
# The parser, exit statuses, and the four ways lines come in: -c, -f, a script on standard input, none.
# sanitize: yes
. tests/harness/net.sh
net_begin

# run OPTION...: in the namespace; what it prints is in $DIR/out, less "weft: ready", its status in $rc.
run() {
	host "$WEFT" --control "$DIR/control" "$@" >"$DIR/out" 2>&1
	rc=$?
	grep -av "^weft: ready\$" "$DIR/out" >"$DIR/text"
	mv "$DIR/text" "$DIR/out"
}

# gives NAME STATUS TEXT: of the last run.
gives() {
	if [ $rc = "$2" ] && [ "$(cat "$DIR/out")" = "$3" ]; then
		pass "$1"
	else
		cat "$DIR/out"
		fail "$1" "status $rc, not $2 with: $3"
	fi
}

# line NAME STATUS TEXT LINE
line() {
	run -c "$4" </dev/null
	gives "$1" "$2" "$3"
}

# is NAME CONDITION...: test(1), on the last run.
is() {
	is_name=$1
	shift
	if [ "$@" ]; then pass "$is_name"; else fail "$is_name" "not $*"; fi
}

jobs_help='usage: jobs
list what runs in the background'

line nothing 0 '' ''
line blanks_and_comment 0 '' "  	; ;; # help"
line one 0 "$jobs_help" 'help jobs'
line last_status_counts 127 "$jobs_help
weft: nosuch: unknown command (help lists them)" 'help jobs; nosuch'
line earlier_status_does_not 0 "weft: nosuch: unknown command (help lists them)
$jobs_help" 'nosuch; help jobs'
line newline_ends_a_command 0 "$jobs_help" '#help
help jobs'
line double_quotes 0 "$jobs_help" 'help "jobs"'
line quotes_inside_a_word 0 "$jobs_help" "'he'l\"p\" j\\obs"
line operators_in_quotes 1 'weft: help: a; b & c > d: unknown command (see help)' 'help "a; b & c > d"'
line backslash_in_quotes 1 'weft: help: a"b\c\d: unknown command (see help)' 'help "a\"b\\c\d"'
line hash_inside_a_word 1 'weft: help: a#b: unknown command (see help)' 'help a#b'
line empty_word 1 'weft: help: : unknown command (see help)' 'help ""'
line open_double_quote 2 'weft: line: a " is not closed' 'help "jobs'
line open_single_quote 2 "weft: line: a ' is not closed" "help 'jobs"
line pipe 2 'weft: line: there are no pipes here' 'help | cat'
line and_and 2 'weft: line: there is no && here, use ;' 'help jobs && jobs'
line background_nothing 2 'weft: line: there is no command before &' '& help'
line redirect_nothing 2 'weft: line: there is no command before < or >' '< a'
line redirect_where 2 'weft: line: a file name is missing behind < or >' 'jobs >'
line usage_error 2 'weft: jobs: x: unknown argument
usage: jobs' 'jobs x'
line dash_dash_help 0 "$jobs_help" 'jobs --help'
line exit_status 7 '' 'exit 7; help jobs'
line exit_last_status 127 'weft: nosuch: unknown command (help lists them)' 'nosuch; exit'
line exit_range 2 'weft: exit: 256: not a status from 0 to 255
usage: exit [STATUS]' 'exit 256'

line redirect 0 '' "help jobs > $DIR/file; help jobs>>$DIR/file"
is redirect_to_file "$(cat "$DIR/file")" = "$jobs_help
$jobs_help"
line redirect_bad_folder 1 'weft: help: /nonexistent/x: No such file or directory' 'help jobs > /nonexistent/x'
line redirect_no_input 1 'weft: jobs: /nonexistent: No such file or directory' 'jobs < /nonexistent'
line redirect_full_disk 1 'weft: help: output: No space left on device' 'help jobs > /dev/full'
host "$WEFT" --control "$DIR/control" -c 'help' >/dev/full 2>"$DIR/out"
rc=$?
sed -i /ready/d "$DIR/out"
gives stdout_full_disk 1 'weft: help: output: No space left on device'

printf 'help jobs\nnosuch\n\n# a comment\njobs' >"$DIR/script"
both="$jobs_help
weft: nosuch: unknown command (help lists them)"
run -f "$DIR/script"
gives file 0 "$both"
run -c 'help jobs' -f "$DIR/script" -c 'nosuch'
gives in_the_order_given 127 "$jobs_help
$both
weft: nosuch: unknown command (help lists them)"
run <"$DIR/script"
gives standard_input 0 "$both"
run < <(cat "$DIR/script")
gives from_a_pipe 0 "$both"
printf 'nosuch' >"$DIR/script"
run <"$DIR/script"
gives end_of_input_ends_with_the_last_status 127 'weft: nosuch: unknown command (help lists them)'
printf 'exit 3\nhelp\n' >"$DIR/script"
run -f "$DIR/script"
gives exit_leaves_the_rest 3 ''
run -f "$DIR/script" -f "$DIR"
gives exit_before_a_folder 3 ''
run -f "$DIR"
gives file_is_a_folder 1 "weft: $DIR: Is a directory"
run <"$DIR"
gives input_is_a_folder 1 'weft: standard input: Is a directory'
run </dev/null
gives empty_input 0 ''
run <&-
gives closed_input 0 ''
host "$WEFT" --control "$DIR/control" -c 'help' >&- 2>&-
is closed_output $? = 0
{
	printf 'help '
	head -c 200000 /dev/zero | tr '\0' x
} >"$DIR/script"
run <"$DIR/script"
is long_line "$rc $(($(wc -c <"$DIR/out") > 200000))" = '1 1'
head -c 300000 /dev/urandom | tr -d '<>' >"$DIR/script"
run -f "$DIR/script"
is noise $rc -lt 128
exit $failed
