#!/bin/sh
# tests/programs.sh BUILD - runs tests/interop/programs-*.sh and prints docs/programs.md, the table of what they
# found.  Lines that fail are told on standard error and stand in the table as what does not work.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tests/programs.sh BUILD}
found=$(mktemp) || exit 1
trap 'rm -f "$found"' EXIT

for script in tests/interop/programs-*.sh; do
	WEFT_BUILD=$(cd "$build" && pwd) "$script" </dev/null
done >"$found" 2>&1
grep '^not ok ' "$found" >&2
grep '^skip ' "$found" >&2

cat <<'END'
# Programs that were tried

Made by `make programs` from what `tests/interop/programs-*.sh` found; do not edit. Each line is Debian's program as it
comes from its package, under `weft run`, with the host's kernel at the other end of tap0 if nothing else is said;
"both ends" is on weft at both. docs/unmodified.md tells how it works and what is not served.

| program | version | mode | works | does not |
|---|---|---|---|---|
END
awk '
function add(list, what) { return list == "" ? what : list "; " what }
$1 == "program" && !($2 in version) { order[++n] = $2; version[$2] = $3; mode[$2] = $4 }
$1 == "ok" && /^ok [^:]*: / {
	what = substr($0, 4); at = index(what, ": ")
	name = substr(what, 1, at - 1); what = substr(what, at + 2)
	if (sub(/, (each )?whole$/, "", what)) next # of what stands there
	if (sub(/^without /, "", what)) lacks[name] = add(lacks[name], what)
	else works[name] = add(works[name], what)
}
$1 == "not" && /^not ok [^:]*: [^:]*: / {
	split(substr($0, 8), part, ": ")
	if (!sub(/^without /, "", part[2])) lacks[part[1]] = add(lacks[part[1]], part[2])
}
END { for (i = 1; i <= n; i++) printf "| %s | %s | %s | %s | %s |\n", order[i], version[order[i]], mode[order[i]],
	works[order[i]], lacks[order[i]] }' "$found"
! grep -q '^not ok ' "$found"
