#!/bin/sh
# make's smaller targets; `make install PREFIX=...` and what a stranger does then: pkg-config and a compiler, against the static and
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

# In a copy, whose build folder is its own.
mkdir "$dir/copy"
tar -cf - --exclude=./build --exclude=./.git . | tar -xf - -C "$dir/copy"
object=build/obj/lib/ipaddr.o
make -C "$dir/copy" $object >"$dir/made" 2>&1
expect make_says_little grep -qx '  CC      lib/ipaddr.c' "$dir/made"
expect make_hides_commands sh -c "! grep -q -e '-c -o' '$dir/made'"
rm -f "$dir/copy/$object"
make -C "$dir/copy" V=1 $object >"$dir/made" 2>&1
expect make_v1_shows_commands grep -Eq -e "-std=gnu11 .* -c -o $object lib/ipaddr.c\$" "$dir/made"
expect make_lines sh -c "make -s -C '$dir/copy' lines | tail -n 1 | grep -Eq '^ *[0-9]{5} total$'"
expect make_test_is_unit test "$(make -n test)" = "$(make -n unit)"
expect make_leak_is_valgrind sh -c 'make -n leak | tail -n 1 | grep -qx "sh tests/leak.sh build" && grep -q valgrind tests/leak.sh'
if command -v ctags >/dev/null; then
	make -s -C "$dir/copy" tag >"$dir/made" 2>&1
	expect make_tag grep -q '^tcp_in	tcp/tcp_in.c	' "$dir/copy/tags"
else
	echo "skip make_tag: no ctags"
fi
make -s -C "$dir/copy" clean
expect make_clean test ! -e "$dir/copy/build" -a ! -e "$dir/copy/tags" -a -e "$dir/copy/Makefile"

expect make_install make -s -j"$(nproc)" install PREFIX="$prefix"
for file in bin/weft lib/libweft.a lib/libweft.so lib/libweft.so.0 include/weft/weft.h lib/pkgconfig/libweft.pc \
	share/man/man1/weft.1 share/man/man3/weft.3 share/doc/weft/LICENSE; do
	expect "has $file" test -e "$prefix/$file"
done
expect installed_is_a_release sh -c "! nm '$prefix/lib/libweft.a' | grep -E '__assert_fail|lock_rank_push'"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
expect pkg_config_version test "$(pkg-config --modversion libweft)" = "$("$prefix/bin/weft" --version | sed 's/.* //')"

# README's program, and others of the public header alone, elsewhere.
awk '/^```/ { inside = $0 == "```c"; next } inside' README.md >"$dir/readme.c"
# shellcheck disable=SC2046 # flags are words
expect readme_builds "${CC:-cc}" -Wall -Werror -o "$dir/readme" "$dir/readme.c" $(pkg-config --cflags --libs libweft)
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

# A plug-in's: it is closed while a thread that has used it lives on.
cat >plug.c <<-'END'
	#include <dlfcn.h>
	#include <pthread.h>
	#include <weft/weft.h>
	static void *use(void *name)
	{
		void *lib = dlopen(name, RTLD_NOW);
		__typeof__(weft_start) *start = lib ? dlsym(lib, "weft_start") : 0;
		__typeof__(weft_stop) *stop = lib ? dlsym(lib, "weft_stop") : 0;
		struct weft_config cfg = {0};
		weft_stack *st;
		return !start || start(&cfg, &st) || stop(st) || dlclose(lib) ? lib : 0;
	}
	int main(int argc, char **argv)
	{
		void *failed;
		pthread_t t;
		return pthread_create(&t, 0, use, argv[1]) || pthread_join(t, &failed) || failed;
	}
END
# shellcheck disable=SC2046
expect plug_builds "${CC:-cc}" -pthread -o plug plug.c $(pkg-config --cflags libweft) -ldl
expect plug_closes timeout 60 ./plug "$prefix/lib/libweft.so.0"

expect static_needs_no_libweft sh -c "! readelf -d two_stacks-a | grep libweft"

if command -v c++ >/dev/null; then
	cat >plus.cc <<-'END'
	#include <stack>
	#include <weft/weft.h>
	using namespace std;
	int main()
	{
		weft_config cfg = {};
		stack<int> sockets;
		weft_stack *st;
		if (weft_start(&cfg, &st))
			return 1;
		sockets.push(weft_socket(AF_INET, SOCK_STREAM, 0));
		return weft_close(sockets.top()) || weft_stop(st);
	}
	END
	# shellcheck disable=SC2046
	expect cxx_builds c++ -Wall -Wextra -Werror -o plus plus.cc $(pkg-config --cflags libweft) \
		"$prefix/lib/libweft.a" -pthread
	expect cxx_runs timeout 60 ./plus
else
	echo "skip cxx: no c++"
fi
cd "$OLDPWD" || exit 1
expect make_uninstall make -s uninstall PREFIX="$prefix"
find "$prefix" ! -type d >"$dir/left"
expect uninstall_leaves_nothing test ! -s "$dir/left"
exit $failed
