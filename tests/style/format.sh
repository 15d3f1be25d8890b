#!/bin/sh
# Every C file as clang-format leaves it (make format).
set -u
. tests/harness/report.sh
need clang-format format

all_sources | xargs -P "$(nproc)" -n 16 clang-format --dry-run 2>&1 | grep -E '(warning|error):' | sort -u |
	report as_clang_format_leaves_it
report_end
