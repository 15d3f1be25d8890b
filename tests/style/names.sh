#!/bin/sh
# Names are noun_verb; nothing is left open in the text; what a .c needs comes from a header; no macro hides
# a way out.
set -u
. tests/harness/report.sh

allowed() {
	awk 'NR == FNR { if ($0 !~ /^#/) ok[$1]; next } !($2 in ok)' tests/style/names.allow -
}

# Comments go by the preprocessor, which leaves the lines where they are; strings and characters by sed.
all_sources | xargs -P "$(nproc)" -I '{}' sh -c "
	${CC:-cc} -fpreprocessed -dD -E -P -x c '{}' 2>/dev/null |
	sed -e 's/\"[^\"]*\"//g' -e \"s/'[^']*'//g\" -e '/^#include/d' | grep -Eo '\b[a-z][a-z0-9_]*[A-Z][A-Za-z0-9]*\b' |
	sort -u | sed 's|^|{}: |'" | allowed | report no_camel_case

open='TO''DO|FIX''ME|XX''X'
grep -REn "\b($open)\b" lib net arp ip udp tcp socket shell tests docs ./*.md Makefile start check 2>/dev/null |
	report nothing_left_open
find lib net arp ip udp tcp socket shell tests -name '*.c' -exec grep -Hn '^[[:space:]]*extern\b' {} + |
	report no_extern_in_c
all_sources | xargs grep -HEn '^#[[:space:]]*define[[:space:]]+[a-zA-Z_0-9]+\(.*\b(goto|return)\b' |
	report no_macro_hides_a_way_out
all_sources | grep -E '/(util|utils|misc|common|helpers?)\.[ch]$' | report no_catch_all_file
report_end
