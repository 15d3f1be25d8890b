#!/bin/sh
# Every C file as clang-format leaves it (make format).
set -u
. tests/harness/report.sh
need clang-format format
if ! clang-format --version | grep -q 'version 14\.'; then
	echo "skip format: versions differ, this is not clang-format 14"
	exit 0
fi

all_sources | xargs -P "$(nproc)" -n 16 clang-format --dry-run 2>&1 | grep -E '(warning|error):' | sort -u |
	report as_clang_format_leaves_it
report_end
