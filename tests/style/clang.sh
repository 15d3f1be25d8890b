#!/bin/sh
# clang without a warning: its thread-safety analysis, and everything else but what the style wants otherwise.
set -u
. tests/harness/report.sh
need clang clang

# What -Weverything also warns of: gnu11 itself; padding; switches with or without default; statement order;
# conversions that gcc's -Wextra takes for right; vectors and packed fields, which are used on purpose.
off="-Wno-padded -Wno-packed -Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments
-Wno-declaration-after-statement -Wno-covered-switch-default -Wno-switch-enum -Wno-disabled-macro-expansion
-Wno-reserved-identifier -Wno-reserved-macro-identifier -Wno-sign-conversion -Wno-implicit-int-conversion
-Wno-shorten-64-to-32 -Wno-implicit-int-float-conversion -Wno-cast-align -Wno-unused-parameter -Wno-atomic-implicit-seq-cst
-Wno-gnu-empty-initializer -Wno-gnu-empty-struct -Wno-gnu-conditional-omitted-operand -Wno-gnu-flexible-array-initializer
-Wno-pedantic -Wno-used-but-marked-unused -Wno-unused-macros -Wno-vla -Wno-float-conversion -Wno-double-promotion
-Wno-address-of-packed-member -Wno-float-equal -Wno-format-nonliteral -Wno-thread-safety-negative -Wno-c++-compat
-Wno-bad-function-cast -Wno-missing-noreturn -Wno-documentation-unknown-command -Wno-pre-c2x-compat
-Wno-unsafe-buffer-usage -Wno-unknown-warning-option"
all="-Weverything $off"
clang --version | grep -q 'version 14\.' || all="-Wall -Wextra -Wno-unused-parameter" # others know other warnings
flags="-std=gnu11 -O1 -fsyntax-only $all -D_GNU_SOURCE -DWEFT_READLINE -iquote . -Isocket/include"

# check FOLDER... : tests hold locks in ways of their own, so the lock analysis is of the rooms.  What is built on
# other stacks' headers (bench/peers) is not looked at: they need not be here.
check() {
	# shellcheck disable=SC2086 # flags are words
	find "$@" -path tests/bench/peers -prune -o -name '*.c' -print 2>/dev/null | sort |
		xargs -P "$(nproc)" -n 8 clang $flags -DWEFT_VERSION='"0"' $locks 2>&1 |
		grep -E '(warning|error):' | sort -u
}

locks=-Wthread-safety
check lib net arp ip udp tcp socket shell | report rooms_no_warning
locks=-Wno-thread-safety-analysis
check tests | report tests_no_warning
report_end
