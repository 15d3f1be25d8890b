#!/bin/sh
# The documents name what is there: each file, each function in its file, each test in its.
#
# A row of docs/rfc*.md is | section | what | function | test |; a cell names a file, then what is in it, each in
# backquotes.  The others say: room/file.c, then a function in backquotes.
set -u
. tests/harness/report.sh

tables="docs/rfc.md docs/rfc-tcp.md docs/rfc9293.md"

# labels KIND LAST: those of RFC 9293 that have no row, or more than one.
labels() {
	n=1
	while [ "$n" -le "$2" ]; do
		[ "$(grep -c "^| $1-$n |" docs/rfc9293.md)" = 1 ] || echo "$1-$n"
		n=$((n + 1))
	done
}

# FOLDER FILE NAME for each name; FOLDER is "tests/" in the last column.
names() {
	# shellcheck disable=SC2086 # a list of files
	awk -F '|' '
	!/^\|/ || /^\| (section|label) / || /^\| RFC / || /^\|---/ { next }
	NF >= 6 {
		for (cell = 4; cell <= 5; cell++) {
			n = split($cell, word, "`")
			file = ""
			for (i = 2; i <= n; i += 2)
				if (word[i] ~ /\//) {
					file = word[i]
					print cell == 5 ? "tests/" : "", file, "-"
				} else {
					print cell == 5 ? "tests/" : "", file, word[i]
				}
		}
	}' $tables | sed 's/^ /- /' | sort -u
}

# missing FOLDER FILE NAME: says so unless the file has it.
missing() {
	path=$2
	[ "$1" = - ] || path=$1$2
	if [ ! -f "$path" ]; then
		[ "$3" != - ] || echo "$path: no such file"
		return
	fi
	case $3,$path in
	-,*) ;;
	*,tests/*.c) grep -q "^START_TEST($3)" "$path" || echo "$path: no test $3" ;;
	*.c) grep -Eq "^[a-zA-Z].*[ *]$3\(|^$3\(" "$path" || echo "$path: no function $3" ;;
	*) grep -qw -- "$3" "$path" || echo "$path: no $3" ;;
	esac
}

if [ "$(names | wc -l)" -lt 300 ]; then
	echo "not ok rfc: fewer than 300 names found in $tables"
	exit 1
fi
names | while read -r folder file name; do
	missing "$folder" "$file" "$name"
done | report each_name_is_there
# shellcheck disable=SC2016 # backquotes
cat docs/architecture.md docs/gdb.md | grep -oE '[a-z]+/[a-z0-9_]+\.c `[a-z0-9_]+`' | tr -d '`' | sort -u |
	while read -r file name; do
		missing - "$file" "$name"
	done | report each_function_of_the_walks_is_there
# shellcheck disable=SC2086 # a list of files
grep -n '^|' $tables | awk -F '|' 'NF > 2 && NF != 4 && NF != 6' | report rows_have_their_columns
{
	labels MUST 69
	labels SHLD 31
} | report each_label_has_one_row
awk -F '|' '$2 ~ /MUST/ && $5 !~ /`/ && $3 $4 !~ /[Aa]bsent/ { print FILENAME ": " $2 $3 }' docs/rfc-tcp.md docs/rfc9293.md |
	report each_must_has_a_test_or_is_absent
report_end
