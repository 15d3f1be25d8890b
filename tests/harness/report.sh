# shellcheck shell=sh
# tests/harness/report.sh - for style checks: `... | report NAME` turns findings, one a line, into a result.
# `report_end` exits as a script must.

report_failed=0

sources() {
	find lib net arp ip udp tcp socket shell -name '*.[ch]' 2>/dev/null | sort
}

all_sources() {
	sources
	find tests -name '*.[ch]' | sort
}

need() {
	command -v "$1" >/dev/null && return
	echo "skip $2: $1 is not installed"
	exit 0
}

report() {
	found=$(cat)
	if [ -z "$found" ]; then
		echo "ok $1"
		return
	fi
	echo "$found"
	echo "not ok $1: $(echo "$found" | wc -l) found, the first: $(echo "$found" | head -n 1)"
	report_failed=1
}

report_end() {
	exit $report_failed
}
