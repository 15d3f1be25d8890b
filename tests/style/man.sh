#!/bin/sh
# Each man page is there and formats without a warning; weft.1 has every option of `weft --help` and each command
# with its words as shell/command.c has them, weft.3 every function of the public header.
set -u
. tests/harness/report.sh
need groff man

for page in docs/man/weft.1 docs/man/weft.3; do
	[ -f "$page" ] || echo "$page is missing"
done | report pages_are_there
for page in docs/man/*.[0-9]; do
	[ ! -f "$page" ] || groff -man -Tutf8 -ww -z -rLL=100n "$page" 2>&1
done | report no_warning

# text PAGE: in lines without folding, hyphenation or blanks between.
text() {
	groff -man -Tascii -P-cbou -rLL=2000n -rHY=0 "$1" 2>/dev/null | tr -s ' '
}

# "NAME ARGS" of each row of the table; its strings may stand on several lines.
commands() {
	awk '
	/\.name = "/ { split($0, q, "\""); line = q[2]; taking = 0 }
	/\.args =/ { taking = 1; sub(/.*\.args =/, ""); line = line " " }
	taking {
		done = match($0, /\.text =/)
		n = split(done ? substr($0, 1, done - 1) : $0, q, "\"")
		for (i = 2; i <= n; i += 2)
			line = line q[i]
		if (done)
			print line
		taking = !done
	}' shell/command.c | tr -s ' ' | sed 's/ $//'
}

text docs/man/weft.1 >"$WEFT_BUILD/weft.1.txt"
if [ "$(commands | wc -l)" -lt 20 ]; then
	echo "not ok commands: fewer than 20 found in shell/command.c"
	exit 1
fi
commands | while read -r line; do
	grep -E "^ ([^.]*, )?${line%% *}( |,|\$)" "$WEFT_BUILD/weft.1.txt" | grep -qF -- "$line" ||
		echo "weft.1: no line: $line"
done | report each_command_as_it_is
"$WEFT_BUILD/weft" --help | grep -oE -- '(^|[ ])--?[a-z][a-z-]*' | tr -d ' ' | sort -u | while read -r option; do
	grep -q -e "$option\b" "$WEFT_BUILD/weft.1.txt" || echo "weft.1: no $option"
done | report each_option
text docs/man/weft.3 >"$WEFT_BUILD/weft.3.txt"
grep -oE '\bweft_[a-z0-9_]+\(' socket/include/weft/weft.h | sort -u | while read -r function; do
	grep -qF "$function" "$WEFT_BUILD/weft.3.txt" || echo "weft.3: no $function"
done | report each_function
report_end
