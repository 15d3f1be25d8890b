#!/bin/sh
# Every script passes shellcheck.
set -u
. tests/harness/report.sh
need shellcheck shellcheck

{
	find . -name build -prune -o -name .git -prune -o -type f -name '*.sh' -print
	find start check .ci/run -type f
	find tests/script -type f -perm -u+x -exec grep -lE '^#!.*\b(ba)?sh$' {} + 2>/dev/null
} | sort -u | xargs shellcheck -x -f gcc 2>&1 | grep -E ': (error|warning|note)' | report no_warning
report_end
