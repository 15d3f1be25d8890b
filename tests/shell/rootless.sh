#!/bin/bash
# weft without privilege: as another user, with a /dev/net/tun that everybody may open, which is this test's
# own (a mount namespace).  The default control path, `weft host` from outside, and a TAP made beforehand.
. tests/harness/net.sh
need setpriv ping nc
net_begin
chmod 755 "$DIR"
cp "$WEFT" "$DIR/weft"
mkdir "$DIR/run"
chown 65534 "$DIR/run"

# is NAME CONDITION...: test(1).
is() {
	is_name=$1
	shift
	if [ "$@" ]; then pass "$is_name"; else fail "$is_name" "not $*"; fi
}

# A command of nobody's, in a fresh mount namespace with such a node.
# shellcheck disable=SC2016 # for the inner shell
user=(ip netns exec "$NS" unshare -m sh -c '
	mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 &&
	exec setpriv --reuid=65534 --regid=65534 --clear-groups env XDG_RUNTIME_DIR="$DIR/run" "$@"' sh)
export DIR

# up OPTION...: weft -d by that user.
up() {
	weft_begin "${user[@]}" "$DIR/weft" -d "$@"
}

if ! ("${user[@]}" unshare -Un true) 2>/dev/null; then
	echo "skip rootless: users may make no user namespaces here"
	exit 0
fi

up -c 'inetd echo'
is says_how_to_reach_it "$(head -n 1 "$DIR/log")" = "weft: no CAP_NET_ADMIN: a user and network namespace of its own; \
the host's end is reached by \`$DIR/weft host -- nc 10.0.0.1 7\`"
is device_is_not_outside "$(ip -n "$NS" link | grep -c tap0)" = 0
is socket_of_the_user "$(find "$DIR/run/weft" -name '*.sock' -printf '%m %U\n')" = '600 65534'
expect ctl_finds_the_only_one "${user[@]}" "$DIR/weft" ctl ping -q -c 2 -i 0.1 10.0.0.2
expect host_ping "${user[@]}" "$DIR/weft" host -- ping -q -c 2 -i 0.1 -W 5 10.0.0.1
is host_nc "$(echo hello | ("${user[@]}" timeout 20 "$DIR/weft" host -- nc -N 10.0.0.1 7))" = hello
("${user[@]}" "$DIR/weft" host -- sh -c 'exit 9')
is host_status $? = 9
("${user[@]}" "$DIR/weft" host -- "$DIR/no-such" 2>"$DIR/out")
is host_no_program "$?,$(cat "$DIR/out")" = "127,weft: host: $DIR/no-such: No such file or directory"
is no_capabilities "$(grep -E 'Cap(Eff|Prm|Inh|Amb)' "/proc/$WEFT_PID/status" | tr -d '0' | grep -vc ':.$')" = 0
filter=2
! ldd "$WEFT" | grep -q 'lib[at]san' || filter=0 # a sanitizer build leaves it out
is filtered "$(awk '/^(NoNewPrivs|Seccomp):/ { print $2 }' "/proc/$WEFT_PID/status" | tr '\n' ' ')" = "1 $filter "
one=$WEFT_PID
up
is two_are_named "$( ("${user[@]}" "$DIR/weft" ctl jobs) 2>&1 | grep -c "^weft: ctl: several run, name one with --control: $DIR/run/weft/.*sock $DIR/run/weft/.*sock$")" = 1
expect ends weft_down
WEFT_PID=$one
expect one_is_left "${user[@]}" "$DIR/weft" ctl jobs
expect one_ends weft_down
is no_socket_is_left "$(find "$DIR/run/weft" -name '*.sock')" = ''
is none_is_left "$( ("${user[@]}" "$DIR/weft" ctl jobs) 2>&1)" = \
	"weft: ctl: no weft of yours runs ($DIR/run/weft): start one, or name its socket with --control"

# Made for the user and configured beforehand: no namespace, no privilege.
ip -n "$NS" tuntap add dev tap7 mode tap user 65534
ip -n "$NS" addr add 10.0.7.2/24 dev tap7
ip -n "$NS" link set tap7 up
up --dev tap:tap7 --addr 10.0.7.1/24
is prepared_tap_no_namespace "$(grep -c namespace "$DIR/log")" = 0
expect prepared_tap_ping host ping -q -c 2 -i 0.1 -W 5 10.0.7.1
expect prepared_tap_host_is_here "${user[@]}" "$DIR/weft" host -- ping -q -c 1 -W 5 10.0.7.1
expect prepared_tap_ends weft_down
is prepared_tap_stays "$(ip -n "$NS" link | grep -c tap7)" = 1
exit $failed
