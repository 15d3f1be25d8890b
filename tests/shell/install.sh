#!/bin/sh
# `make install PREFIX=...` and what a stranger does then: pkg-config and a compiler, against the static and
# the shared library, in C and in C++.
set -u
for tool in make pkg-config; do
	command -v $tool >/dev/null || {
		echo "skip install: no $tool"
		exit 0
	}
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
prefix=$dir/prefix
failed=0

# expect NAME COMMAND...
expect() {
	name=$1
	shift
	if "$@" >"$dir/out" 2>&1; then
		echo "ok $name"
	else
		sed 's/^/  | /' "$dir/out" | tail -n 20
		echo "not ok $name: see above"
		failed=1
	fi
}

expect make_install make -s install PREFIX="$prefix"
for file in bin/weft lib/libweft.a lib/libweft.so lib/libweft.so.0 include/weft/weft.h lib/pkgconfig/libweft.pc \
	share/man/man1/weft.1 share/man/man3/weft.3 share/doc/weft/LICENSE; do
	expect "has $file" test -e "$prefix/$file"
done
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
expect pkg_config_version test "$(pkg-config --modversion libweft)" = "$("$prefix/bin/weft" --version | sed 's/.* //')"

# A program of the public header alone, elsewhere.
cp tests/examples/two_stacks.c tests/examples/udp_echo.c "$dir"
cd "$dir" || exit 1
for program in two_stacks udp_echo; do
	# shellcheck disable=SC2046 # flags are words
	expect "${program}_shared_builds" "${CC:-cc}" -Wall -Werror -pthread -o "$program-so" "$program.c" \
		$(pkg-config --cflags --libs libweft)
	expect "${program}_shared_runs" env LD_LIBRARY_PATH="$prefix/lib" timeout 60 "./$program-so"
	# shellcheck disable=SC2046
	expect "${program}_static_builds" "${CC:-cc}" -Wall -Werror -pthread -o "$program-a" "$program.c" \
		$(pkg-config --cflags libweft) "$prefix/lib/libweft.a"
	expect "${program}_static_runs" timeout 60 "./$program-a"
done
expect soname sh -c "readelf -d two_stacks-so | grep -F 'Shared library: [libweft.so.0]'"
expect static_needs_no_libweft sh -c "! readelf -d two_stacks-a | grep libweft"

if command -v c++ >/dev/null; then
	cat >plus.cc <<-'END'
	#include <weft/weft.h>
	int main()
	{
		weft_config cfg = {};
		weft_stack *stack;
		return weft_start(&cfg, &stack) || weft_close(weft_socket(AF_INET, SOCK_STREAM, 0)) ||
		       weft_stop(stack);
	}
	END
	# shellcheck disable=SC2046
	expect cxx_builds c++ -Wall -Wextra -Werror -o plus plus.cc $(pkg-config --cflags libweft) \
		"$prefix/lib/libweft.a" -pthread
	expect cxx_runs timeout 60 ./plus
else
	echo "skip cxx: no c++"
fi
exit $failed
