#!/bin/sh
# What tests need is installed for them (tests/packages).
#
# readline (GPL-3) is linked by the weft program and the tests of its shell alone; the libraries need nothing but the
# C library, the preload library c-ares too.
set -u
. tests/harness/report.sh

needed() {
	objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'
}

for lib in "$WEFT_BUILD"/*.so; do
	ares=
	[ "${lib##*/}" != libweft_preload.so ] || ares=libcares
	needed "$lib" | grep -Ev '^(libc|ld-linux[a-z0-9-]*)\.so' | grep -v "^${ares:-none}" | sed "s|^|${lib##*/}: |"
done | report libraries_need_libc_only
find "$WEFT_BUILD/tests" -path "$WEFT_BUILD/tests/shell" -prune -o -type f -perm -u+x ! -name '*.*' -print | while read -r program; do
	! needed "$program" | grep -q '^libreadline' || echo "$program"
done | report readline_in_weft_only
grep -rln 'readline/' --include='*.[ch]' lib net arp ip udp tcp socket tests | report readline_included_by_shell_only
# Beside the probes what Debian's base has, and what comes with a package that has another probe.
base='bash cc cmp getent mount nc nstat prlimit ps redis-cli scp setpriv sha256sum ssh-keygen stdbuf'
probes=$(awk '$3 == "cmd" { print $4 }' tests/packages)
grep -hE '^[[:space:]]*need ' tests/shell/*.sh tests/interop/*.sh | tr -s '[:space:]' '\n' | sort -u | while read -r word; do
	case " need $base $(echo "$probes" | tr '\n' ' ') " in
	*" $word "*) ;;
	*) echo "tests/packages has nothing for $word" ;;
	esac
done | report what_tests_need_is_installed
report_end
