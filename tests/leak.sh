#!/bin/sh
# tests/leak.sh BUILD - `make leak`: the Check programs under valgrind, which also sees what the sanitizers do
# not: a branch on a value nobody wrote.  BUILD is a plain build.  What a test leaves is found at its own exit.
set -u
cd "$(dirname "$0")/.." || exit 1

build=${1:?usage: tests/leak.sh BUILD}
command -v valgrind >/dev/null || {
	echo "weft: valgrind: not installed" >&2
	exit 1
}
failed=0
for source in tests/*/test_*.c; do
	program=$build/${source%.c}
	log=$program.valgrind
	if CK_DEFAULT_TIMEOUT=600 valgrind -q --leak-check=full --show-leak-kinds=definite,indirect \
		--errors-for-leak-kinds=definite,indirect --error-exitcode=9 "$program" >"$log" 2>&1; then
		echo "  ok      ${source#tests/}"
	else
		echo "  NOT OK  ${source#tests/}"
		sed 's/^/          /' "$log"
		failed=$((failed + 1))
	fi
done
echo "leak: $failed failed"
[ "$failed" = 0 ]
