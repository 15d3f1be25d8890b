#!/bin/sh
# Each header compiles alone; a public one as strict C99 too, and as C++ where there is a compiler for it.
set -u
. tests/harness/report.sh

compile() {
	find "$@" -name '*.h' 2>/dev/null | sort
}

flags="-std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -iquote . -Isocket/include -fsyntax-only"
compile lib net arp ip udp tcp socket shell tests | xargs -P "$(nproc)" -I '{}' sh -c "
	echo '#include \"{}\"' | ${CC:-cc} $flags -x c - 2>&1 | grep -m 1 -E 'error|warning'" |
	report each_header_compiles_alone
compile socket/include | xargs -I '{}' sh -c "
	echo '#include \"{}\"' | ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -iquote . -fsyntax-only -x c - 2>&1 |
	grep -m 1 -E 'error|warning'" | report public_header_is_c99
if command -v c++ >/dev/null; then
	compile socket/include | xargs -I '{}' sh -c "
		echo '#include \"{}\"' | c++ -Wall -Wextra -Werror -iquote . -fsyntax-only -x c++ - 2>&1 |
		grep -m 1 -E 'error|warning'" | report public_header_is_cxx
fi
compile lib net arp ip udp tcp socket shell tests | xargs grep -EL '^#pragma once|^#ifndef WEFT_' |
	report each_header_guards_itself
report_end
