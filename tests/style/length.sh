#!/bin/sh
# Files up to 600 lines; functions up to 70, 95 % of them up to 45, six parameters, three levels of nesting.
set -u
. tests/harness/report.sh

all_sources | xargs wc -l | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }' | report files
all_sources | xargs awk '
FNR == 1 { depth = 0 }
/^}/ { depth = 0; next }
/^{$/ { depth = 1; next }
depth == 0 { next }
/^[ \t]*}/ { depth-- }
/{$/ {
	if (depth > 3)
		print FILENAME ":" FNR ": nesting " depth
	depth++
}' | report nesting

if ! command -v ctags-universal >/dev/null; then
	echo "skip functions: universal-ctags is not installed"
	report_end
fi
list=$(mktemp)
trap 'rm -f "$list"' EXIT
all_sources | ctags-universal -f - --languages=C --langmap=C:.c.h --c-kinds=f --fields=neS -L - 2>/dev/null | awk -F '\t' '
{
	line = end = 0
	params = 0
	for (i = 4; i <= NF; i++) {
		if ($i ~ /^line:/) line = substr($i, 6)
		if ($i ~ /^end:/) end = substr($i, 5)
		if ($i ~ /^signature:/) {
			args = $i
			gsub(/\([^()]*\)\(/, "(", args)
			params = gsub(/,/, ",", args) + 1
		}
	}
	if (end) print end - line + 1, params, $2 ":" line ": " $1
}' >"$list"
awk '$1 > 70 { print $3, $4, $1, "lines" }' "$list" | report functions
# pd_: packetdrill's table prescribes them; _chk, gethostby: libc does
awk '$2 > 6 && $4 !~ /^pd_|_chk$|^gethostby/ { print $3, $4, $2, "parameters" }' "$list" | report parameters
awk '
$1 > 45 { long++; names = names "\n" $3 " " $4 " " $1 " lines" }
END { if (long > NR / 20) print long " of " NR " functions have more than 45 lines" names }' "$list" |
	report share_of_long_functions
report_end
