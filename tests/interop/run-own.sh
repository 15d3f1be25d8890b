#!/bin/bash
# `weft run` with a weft of its own: begun for the program, ended with it; by a user without privilege too.
. tests/harness/net.sh
need python3 curl nc setpriv
net_begin
mkdir "$DIR/www"
head -c 3000000 /dev/urandom >"$DIR/www/file"
(cd "$DIR/www" && exec ip netns exec "$NS" python3 -m http.server 8000 >"$DIR/server" 2>&1) &
host_listens 8000

# A weft of another network is nobody's here.
export XDG_RUNTIME_DIR=$DIR/elsewhere
mkdir "$XDG_RUNTIME_DIR"
weft_begin unshare -n "$WEFT" -d

# Nor is one that runs here what options ask for: they begin one, whose tap0 is taken.
other=$WEFT_PID
weft_begin ip netns exec "$NS" "$WEFT" -d
expect joins_without_options host timeout 60 "$WEFT" run --mode preload -- true
for words in '--gateway 10.0.0.2' --no-offload --probe '--queues 2' '-c jobs'; do
	# shellcheck disable=SC2086
	host timeout 60 "$WEFT" run $words -- true 2>&1 | grep -q '^weft: tap0: ' || echo "$words"
done >"$DIR/said"
expect options_are_not_lost test ! -s "$DIR/said"
weft_down
WEFT_PID=$other

fetch=(curl -sS --max-time 20 -o "$DIR/got")
expect default_device host timeout 60 "$WEFT" run -- "${fetch[@]}" http://10.0.0.2:8000/file
expect default_device_exact cmp "$DIR/got" "$DIR/www/file"
expect device_options host timeout 60 "$WEFT" run --dev tap:tap7 --addr 10.7.0.1/24 -- "${fetch[@]}" http://10.7.0.2:8000/file
expect came_from_there grep -q '^10\.7\.0\.1 ' "$DIR/server"
expect device_is_gone bash -c "! ip -n '$NS' link | grep -q tap"
weft_down
host timeout 60 "$WEFT" run -- sh -c 'exit 9'
expect status_is_the_programs test $? = 9
host timeout 60 "$WEFT" run --dev tap:nonsense-too-long-a-name -- true 2>/dev/null
expect mistake_is_2 test $? = 2

host timeout 30 nc -l 9000 >"$DIR/left" </dev/null &
left=$!
host_listens 9000
# shellcheck disable=SC2016 # the inner shell's
host timeout 60 "$WEFT" run -- bash -c 'cat "$1" >/dev/tcp/10.0.0.2/9000' bash "$DIR/www/file"
wait $left
expect what_was_left_is_sent cmp "$DIR/left" "$DIR/www/file"

# What lives on and has nothing to send is not waited for.
expect idle_child_is_not_waited_for host timeout 15 "$WEFT" run --mode preload -- \
	bash -c 'exec 3<>/dev/tcp/10.0.0.2/8000; sleep 40 >/dev/null 2>&1 &'

# A peer that is in no hurry has all of it too, and the user is told what is waited for; or does not wait.
# slow SECONDS TIMEOUT...: so little that the program ends at once, and more than the peer has room for
slow() {
	host timeout 60 python3 -c '
import socket, sys, time
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
l.bind(("", 9000))
l.listen()
c = l.accept()[0]
time.sleep(int(sys.argv[1]))
with open(sys.argv[2], "wb") as f:
	while part := c.recv(65536):
		f.write(part)' "$1" "$DIR/left" &
	left=$!
	host_listens 9000
	shift
	# shellcheck disable=SC2016 # the inner shell's
	host "$@" "$WEFT" run -- bash -c 'head -c 100000 "$1" >/dev/tcp/10.0.0.2/9000' bash "$DIR/www/file" 2>"$DIR/told"
}
head -c 100000 "$DIR/www/file" >"$DIR/begin"
slow 6 timeout 60
expect waits_for_a_slow_peer test $? = 0
wait $left
expect slow_peer_has_all cmp "$DIR/left" "$DIR/begin"
expect wait_is_told grep -q '^weft: run: the program has ended' "$DIR/told"
# shellcheck disable=SC2016 # the inner shell's
slow 6 bash -c 'trap "" HUP; "$@" & sleep 4; kill -HUP $!; kill -INT $!; wait $!' bash
expect ignored_signals_end_no_wait test $? = 0
wait $left
expect slow_peer_has_all_again cmp "$DIR/left" "$DIR/begin"
slow 30 timeout -s INT -k 15 8
expect ends_at_once_by_a_signal test $? = 124
expect wait_is_told_again grep -q '^weft: run: the program has ended' "$DIR/told"
kill $left

chmod 755 "$DIR"
cp "$WEFT" "$WEFT_BUILD/libweft_preload.so" "$DIR"
mkdir "$DIR/run"
chown 65534 "$DIR/run"
export DIR
# shellcheck disable=SC2016
user=(ip netns exec "$NS" unshare -m sh -c '
	mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
	exec setpriv --reuid=65534 --regid=65534 --clear-groups env XDG_RUNTIME_DIR="$DIR/run" "$@"' sh)
if ! ("${user[@]}" unshare -Un true) 2>/dev/null; then
	echo "skip rootless: users may make no user namespaces here"
	exit $failed
fi
# shellcheck disable=SC2016
asked='exec 3<>/dev/tcp/10.0.0.1/7 && echo over >&3 && read -r -u 3 got && [ "$got" = over ] && id -u'
weft_begin "${user[@]}" timeout 60 "$DIR/weft" -d -c 'inetd echo'
expect rootless_joins test "$("${user[@]}" timeout 60 "$DIR/weft" run -- bash -c "$asked")" = 65534
weft_down
"${user[@]}" timeout 60 "$DIR/weft" run -- bash -c 'id -u; : >/dev/tcp/10.0.0.2/9' >"$DIR/said" 2>&1
expect rootless_of_its_own grep -q 'Connection refused' "$DIR/said"
expect rootless_is_who_it_was grep -qx 65534 "$DIR/said"
exit $failed
