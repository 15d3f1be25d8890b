#!/bin/sh
# Each man page is there and formats without a warning.
set -u
. tests/harness/report.sh
need groff man

for page in docs/man/weft.1 docs/man/weft.3; do
	[ -f "$page" ] || echo "$page is missing"
done | report pages_are_there
for page in docs/man/*.[0-9]; do
	[ ! -f "$page" ] || groff -man -Tutf8 -ww -z -rLL=100n "$page" 2>&1
done | report no_warning
report_end
