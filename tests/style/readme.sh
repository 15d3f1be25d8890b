#!/bin/sh
# Each room's README names every file of the room, and no file that is not there; it fits a screen or two.
#
# Names stand in backquotes: `route.c`, `route.[ch]`, `mib.*`, `wire/`.
set -u
. tests/harness/report.sh

rooms="lib net arp ip udp tcp socket shell"

# patterns ROOM: what its README names in backquotes that can be a file, a line each.
patterns() {
	# shellcheck disable=SC2016 # backquotes
	grep -o '`[^`]*`' "$1/README.md" | tr -d '`' | grep -E '^[a-z0-9_/-]+(\.(c|h|def|\[ch\]|\*)|/)$' | sort -u
}

# fits FILE PATTERNS: one of the patterns is its name or its folder.
fits() {
	for pattern in $2; do
		# shellcheck disable=SC2254 # it is a pattern
		case $1 in
		$pattern | ${pattern%/}/*) return 0 ;;
		esac
	done
	return 1
}

set -f
for room in $rooms; do
	[ -f "$room/README.md" ] || echo "$room/README.md: no such file"
done | report each_room_has_one
for room in $rooms; do
	named=$(patterns "$room")
	find "$room" -name '*.[ch]' | sed "s|^$room/||" | sort | while read -r file; do
		fits "$file" "$named" || echo "$room/README.md: $file is not named"
	done
done | report each_file_is_named
for room in $rooms; do
	patterns "$room" | while read -r pattern; do
		case $pattern in
		*/*.[ch]) found=$(find . -path "./$pattern" -o -path "./$room/$pattern" | head -n 1) ;;
		*/) found=$(find "$pattern" "$room/$pattern" -maxdepth 0 2>/dev/null) ;;
		*) found=$(find "$room" -name "$pattern" | head -n 1) ;;
		esac
		[ -n "$found" ] || echo "$room/README.md: no $pattern"
	done
done | report each_name_is_a_file
find tests -mindepth 1 -maxdepth 1 -type d | sed 's|tests/||' | while read -r folder; do
	grep -q "^|.*[\`  ]$folder/" tests/README.md || echo "tests/README.md: $folder/ is not named"
done | report each_folder_of_tests_is_named
for room in $rooms tests; do
	lines=$(wc -l <"$room/README.md")
	[ "$lines" -le 75 ] || echo "$room/README.md: $lines lines"
done | report fits_a_screen
report_end
