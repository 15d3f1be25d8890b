#!/bin/bash
# `weft run`: what a program preloads for itself or its children stays, and stands before weft's library; so does weft's, whatever the
# environment; no child costs memory.
. tests/harness/net.sh
need cc stdbuf python3
net_begin
weft_up -c inetd

# Without the library it has no socket.
run() {
	timeout 100 "$WEFT" run --control "$DIR/control" --mode preload -- "$@"
}
other=$DIR/other.so
# shellcheck disable=SC2016 # the inner shell's
echo='exec 3<>/dev/tcp/10.0.0.1/7 && echo served >&3 && head -n 1 <&3'
expect other_builds cc -D_GNU_SOURCE -O1 -shared -fPIC -o "$other" tests/harness/preload/other.c
expect handler_builds cc -O1 -o "$DIR/handler" tests/harness/preload/handler.c

# served NAME COMMAND...: its connection is weft's, and was seen by the other library: once.
served() {
	served_name=$1
	shift
	"$@" >"$DIR/said" 2>&1
	expect "$served_name" grep -qx served "$DIR/said"
	expect "${served_name}_saw_it" test "$(grep -cx 'connect 2' "$DIR/said")" = 1
}
if ldd "$WEFT" | grep -q 'lib[at]san'; then
	echo "skip before_weft_run: a sanitizer's weft may have nothing before it"
else
	served before_weft_run env LD_PRELOAD="$other" timeout 60 "$WEFT" run --control "$DIR/control" --mode preload -- bash -c "$echo"
fi
served for_a_child run env LD_PRELOAD="$other" bash -c "$echo"
served for_a_child_alone run env -i LD_PRELOAD="$other" /bin/bash -c "$echo"
served behind_others run bash -c "LD_PRELOAD=\"\$LD_PRELOAD:$other\" exec bash -c '$echo'"
served spawned run python3 -c "import os
os.waitpid(os.posix_spawn('/bin/bash', ['bash', '-c', '$echo'], {'LD_PRELOAD': '$other'}), 0)"
expect cleared seen '^served$' run env LD_PRELOAD="$other" env -i /bin/bash -c "$echo"
run env LD_PRELOAD="$other" env -i /bin/bash -c "$echo" >"$DIR/said" 2>&1
expect cleared_is_cleared bash -c "! grep -q 'connect 2' '$DIR/said'"
expect unchanged diff <(run env) <(run env env)

# A line is there while its program goes on.
mkfifo "$DIR/in"
run stdbuf -oL tr a b <"$DIR/in" >"$DIR/lines" &
buffered=$!
exec 3>"$DIR/in"
echo aaa >&3
expect stdbuf_writes_a_line until_true 10 grep -qx bbb "$DIR/lines"
exec 3>&-
wait $buffered
expect stdbuf_is_served seen '^served$' run stdbuf -oL bash -c "$echo"
for library in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
	[ ! -e "/usr/lib/$(uname -m)-linux-gnu/$library" ] || expect "$library" seen '^served$' run env LD_PRELOAD="$library" bash -c "$echo"
done
if command -v fakeroot >/dev/null; then
	run setpriv --reuid 65534 --clear-groups fakeroot bash -c "id -u; $echo" >"$DIR/said" 2>&1
	expect fakeroot_is_root grep -qx 0 "$DIR/said"
	expect fakeroot_is_served grep -qx served "$DIR/said"
fi

run env LD_PRELOAD="$other" "$DIR/handler" 2>"$DIR/said"
expect found_before_main grep -qx 'dlsym recv' "$DIR/said"
expect nothing_is_found_in_a_handler test "$(sed '1,/^main$/d' "$DIR/said")" = ''

run python3 -c '
import os, subprocess
def size():
	return int(open("/proc/self/statm").read().split()[0])
def gone(call):
	try:
		call()
	except FileNotFoundError:
		pass
for call in lambda: os.posix_spawn("/nowhere", ["x"], {}), lambda: subprocess.Popen(["/nowhere"], env={}):
	gone(call)
	was = size()
	for i in range(1000):
		gone(call)
	print("grown" if size() > was + 500 else "stays")' >"$DIR/said" 2>&1
expect children_cost_no_memory test "$(cat "$DIR/said")" = "stays
stays"
expect weft_ends weft_down
exit $failed
