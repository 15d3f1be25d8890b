#!/bin/sh
# The text speaks of weft and of nothing around it: no one's home, no ticket; no blank at a line's end; each
# file ends with a newline.
set -u
. tests/harness/report.sh

files() {
	find . -name build -prune -o -name .git -prune -o -type f ! -name '*.png' ! -name '*.pcap*' -print
}

files | grep -v '^./tests/style/text.sh$' | xargs grep -IHEn \
	'/(home|root|work)/[a-z]|\bissue #?[0-9]|\bticket #?[0-9]|[Cc]o-[Aa]uthored-[Bb]y' | report nothing_around_it
files | xargs grep -IHEn '[[:blank:]]+$' | report no_blank_at_the_end
files | while read -r f; do
	[ ! -s "$f" ] || [ -z "$(tail -c 1 "$f" | tr -d '\n')" ] || ! grep -Iq . "$f" || echo "$f"
done | report newline_at_the_end
report_end
