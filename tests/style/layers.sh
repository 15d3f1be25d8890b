#!/bin/sh
# The rooms from low to high: lib net arp ip {udp tcp} socket shell.  A file includes its own and those below,
# tcp and udp never each other, and no object calls upward by name either.  `weft sim` is the lab of tests/sim:
# shell/main.c knows its door and nothing else does.
set -u
. tests/harness/report.sh

ranks='BEGIN {
	rank["lib"] = 0; rank["net"] = 1; rank["arp"] = 2; rank["ip"] = 3
	rank["udp"] = 4; rank["tcp"] = 4; rank["socket"] = 5; rank["shell"] = 6
}
function above(from, to) { return rank[to] > rank[from] || (rank[to] == rank[from] && to != from) }'

# shellcheck disable=SC2046 # names without blanks
awk "$ranks"'
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split(FILENAME, own, "/")
	split($0, quoted, "\"")
	n = split(quoted[2], to, "/")
	if (FILENAME == "shell/main.c" && quoted[2] == "tests/sim/lab.h")
		next
	if (n < 2 || !(to[1] in rank))
		print FILENAME ":" FNR ": \"" quoted[2] "\" is not written from the root"
	else if (above(own[1], to[1]))
		print FILENAME ":" FNR ": " own[1] " includes " to[1]
}
/^[ \t]*#[ \t]*include[ \t]*<weft\// {
	split(FILENAME, own, "/")
	if (rank[own[1]] < 5)
		print FILENAME ":" FNR ": " own[1] " includes the public header"
}' $(sources) | report includes_go_down

# shellcheck disable=SC2046
awk '
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	split(quoted[2], to, "/")
	if ((to[1] ~ /^(net|arp|ip|udp|tcp)$/) && !seen[FILENAME, to[1]]++)
		rooms[FILENAME]++
}
END {
	for (f in rooms)
		if (rooms[f] == 5 && f != "socket/stack.c")
			print f ": names every room"
}' $(sources) | report only_stack_names_every_room

grep -En '#[[:space:]]*include[[:space:]]*"' socket/include/weft/*.h /dev/null | report public_headers_stand_alone

# A call by name through a prototype of one's own would pass the check of includes.  The preload library has libc's names.
objects=$(find "$WEFT_BUILD/obj" \( -path "$WEFT_BUILD/obj/tests" -o -path "$WEFT_BUILD/obj/preload" \) -prune -o -name '*.o' -print | grep -E '/obj/[a-z]+/')
# shellcheck disable=SC2086 # names without blanks
{
	nm -A -g --defined-only $objects | sed 's/^/D /'
	nm -A -u $objects | sed 's/^/U /'
} 2>/dev/null | awk -v top="$WEFT_BUILD/obj/" "$ranks"'
{
	file = substr($2, length(top) + 1)
	sub(/:.*/, "", file)
	split(file, own, "/")
	if ($1 == "D")
		home[$NF] = own[1]
	else if (($NF in home) && above(own[1], home[$NF]))
		print file ": " own[1] " calls " $NF " of " home[$NF]
}' | report calls_go_down
report_end
