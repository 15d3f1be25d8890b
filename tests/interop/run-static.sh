#!/bin/bash
# `weft run`: programs that do not load its library, static ones of C and Go's, against the host's kernel and against
# weft itself.
. tests/harness/net.sh
need cc python3 curl nc setpriv
net_begin
weft_up -c 'inetd; httpd 80'

run() {
	timeout 60 "$WEFT" run --control "$DIR/control" -- "$@"
}

# start COMMAND...: behind this script; $STARTED.
start() {
	"$WEFT" run --control "$DIR/control" -- "$@" >>"$DIR/started" 2>&1 </dev/null &
	STARTED=$!
}

# program PID: the program that this weft run has begun.
program() {
	until_true 10 pgrep -P "$1"
	pgrep -P "$1"
}

none_left() {
	[ "$(ctl ss -tan | grep -cv -e State -e LISTEN -e TIME-WAIT)" = 0 ] && [ "$(ctl ss -tuanp | grep -c users:)" = 0 ]
}

connected() {
	[ "$(ctl ss -tn | grep -c ESTAB)" -ge "$1" ]
}

built() {
	"$@" -std=gnu11 -O1 -D_GNU_SOURCE -pthread -static -iquote . -o "$DIR/$1" \
		tests/harness/static/served.c tests/harness/static/served_udp.c
}

# life NAME: of the program $DIR/NAME.
life() {
	served=$DIR/$1
	expect "$1_others_refused_or_the_kernels" run "$served" others
	expect "$1_bytes_to_weft" run "$served" fetch 10.0.0.1 7
	expect "$1_epoll_and_refused" run "$served" epoll 10.0.0.2 9100 8001
	expect "$1_connects_again" run "$served" refused 10.0.0.2 9100 8001
	expect "$1_udp" run "$served" udp 10.0.0.1 7
	expect "$1_names" seen '^10\.0\.0\.1$' run "$served" names 10.0.0.2 9100
	expect "$1_bytes_to_the_host" run "$served" fetch 10.0.0.2 9100
	expect "$1_500_to_the_host" run "$served" many 10.0.0.2 9100 500
	start "$served" serve 9000
	weft_listens 9000
	expect "$1_forking_server_from_the_host" host "$served" fetch 10.0.0.1 9000
	expect "$1_forking_server_both_ends" run "$served" fetch 127.0.0.1 9000
	kill -9 "$(program $STARTED)"
	wait $STARTED
	expect "$1_killed_is_137" test $? = 137
	start "$served" poll 9001
	weft_listens 9001
	expect "$1_500_from_the_host" host "$served" many 10.0.0.1 9001 500
	expect "$1_500_both_ends" run "$served" many 10.0.0.1 9001 500
	kill $STARTED
	wait $STARTED
	expect "$1_sigterm_is_passed_on" test $? = 143
	: >"$DIR/waits"
	"$WEFT" run --control "$DIR/control" -- "$served" signals 9002 >"$DIR/waits" &
	STARTED=$!
	until_true 10 grep -q waits "$DIR/waits"
	echo z | host nc -N 10.0.0.1 9002
	wait $STARTED
	expect "$1_signals_and_time_outs" test $? = 0
	expect "$1_handler_makes_calls" run "$served" handler
	expect "$1_signals_lose_no_bytes" run "$served" stream 10.0.0.1 7
	expect "$1_800_wait_for_one" run "$served" threads 9005
	expect "$1_leaves_nothing" until_true 10 none_left
}

built cc || exit 1
host "$DIR/cc" poll 9100 >/dev/null 2>&1 &
host_listens 9100
life cc
if command -v musl-gcc >/dev/null; then
	built musl-gcc || exit 1
	life musl-gcc
else
	echo "skip musl: no musl-gcc"
fi

# --- ways of being there ---------------------------------------------------------------------------
expect child_of_a_program run bash -c "'$DIR/cc' fetch 10.0.0.1 7 && env -i '$DIR/cc' others"
expect library_off timeout 60 "$WEFT" run --control "$DIR/control" --mode notify -- curl -sS -o /dev/null http://10.0.0.1/hello
"$WEFT" run --control "$DIR/control" --mode preload -- "$DIR/cc" others 2>"$DIR/said"
expect preload_refuses_static test $? = 126
expect preload_says_why grep -q 'not served: it is static' "$DIR/said"
cp "$(command -v cat)" "$DIR/group"
chgrp 65533 "$DIR/group"
chmod 2755 "$DIR/group"
"$WEFT" run --control "$DIR/control" --mode preload -- "$DIR/group" /dev/null 2>"$DIR/said"
expect preload_refuses_setgid_of_root test $? = 126
expect preload_says_rights grep -q 'changes its user or rights' "$DIR/said"
"$WEFT" run --control "$DIR/control" --mode preload -- bash -c "'$DIR/cc' fetch 10.0.0.1 7" 2>"$DIR/said"
expect child_never_on_the_hosts_network grep -q 'Address family not supported' "$DIR/said"
timeout 60 "$WEFT" run --control "$DIR/control" --mode notify -- "$WEFT" run --control "$DIR/control" -- true 2>"$DIR/said"
expect one_within_another_is_told grep -q 'serves all that runs here' "$DIR/said"

expect daemon_leaves_its_parent run "$DIR/cc" daemon 9003
weft_listens 9003
expect daemon_is_served_on host "$DIR/cc" many 10.0.0.1 9003 20
daemon=$(ctl ss -ltnp | sed -n 's/.*:9003 .*pid=\([0-9]*\).*/\1/p')
kill -9 "$daemon"
expect daemon_gone until_true 10 none_left

# --- either side killed at any moment -----------------------------------------------------------------
victims=()
for i in 1 2 3 4 5 6; do
	start "$DIR/cc" many 10.0.0.1 9 5
	victims[i]=$STARTED
done
until_true 10 connected 60
for i in 1 2 3 4 5 6; do
	kill -9 "$(program "${victims[i]}")"
	wait "${victims[i]}"
done
expect nothing_left_of_killed_clients until_true 20 none_left
start "$DIR/cc" serve 9004
weft_listens 9004
start "$DIR/cc" many 10.0.0.1 9 5
until_true 10 connected 5
kill -9 "$WEFT_PID"
wait "$WEFT_PID" 2>/dev/null
WEFT_PID=
wait $STARTED
expect client_of_a_killed_weft_ends test $? != 0
expect server_of_a_killed_weft_ends until_true 10 bash -c "! pgrep -f '^$DIR/cc serve'"

# --- a user; its own weft ----------------------------------------------------------------------------
chmod 755 "$DIR"
cp "$WEFT" "$WEFT_BUILD/libweft_preload.so" "$DIR"
mkdir "$DIR/run"
chown 65534 "$DIR/run"
export DIR
# shellcheck disable=SC2016 # the inner shell's
user=(ip netns exec "$NS" unshare -m sh -c '
	mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
	exec setpriv --reuid=65534 --regid=65534 --clear-groups env XDG_RUNTIME_DIR="$DIR/run" "$@"' sh)
expect of_its_own host timeout 60 "$DIR/weft" run -- "$DIR/cc" fetch 10.0.0.2 9100
if ("${user[@]}" unshare -Un true) 2>/dev/null; then
	weft_begin "${user[@]}" timeout 60 "$DIR/weft" -d -c 'inetd echo'
	cp "$(command -v cat)" "$DIR/capable"
	python3 -c 'import os, struct, sys
os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))' "$DIR/capable"
	"${user[@]}" timeout 60 "$DIR/weft" run --mode preload -- "$DIR/capable" /dev/null 2>"$DIR/said"
	expect preload_refuses_capabilities grep -q 'changes its user or rights' "$DIR/said"
	expect user_bytes "${user[@]}" timeout 60 "$DIR/weft" run -- "$DIR/cc" fetch 10.0.0.1 7
	expect user_child_of_a_program "${user[@]}" timeout 60 "$DIR/weft" run -- bash -c "'$DIR/cc' refused 10.0.0.1 7 9"
	weft_down
else
	echo "skip by_a_user: users may make no user namespaces here"
fi

# --- Go, where there is a compiler: caddy and hey of programs-static.sh are Go everywhere -----------------
command -v go >/dev/null || exit $failed
export HOME=$DIR GOPATH=$DIR/go GOCACHE=$DIR/cache GO111MODULE=off GOFLAGS="" CGO_ENABLED=0
go build -o "$DIR/goserved" tests/harness/static/served.go || exit 1
weft_up -c 'inetd; httpd 80'
(cd "$DIR/run" && exec ip netns exec "$NS" python3 -m http.server --bind 10.0.0.2 8000 >/dev/null 2>&1) &
host_listens 8000
expect go_client_to_the_host run "$DIR/goserved" get http://10.0.0.2:8000/
expect go_udp run "$DIR/goserved" udp 10.0.0.1:7
start "$DIR/goserved" serve :9000
weft_listens 9000
expect go_server_from_the_host seen '^from 10\.0\.0\.2:' host curl -sS --max-time 10 http://10.0.0.1:9000/
expect go_both_ends seen '^from 10\.0\.0\.1:' run "$DIR/goserved" get http://10.0.0.1:9000/
expect go_many run "$DIR/goserved" many http://127.0.0.1:9000/
kill $STARTED
wait $STARTED
expect go_leaves_nothing until_true 10 none_left
expect weft_ends weft_down
exit $failed
