# shellcheck shell=sh disable=SC2034
# tests/harness/net.sh - a network namespace of the test's own, with a weft in it; sourced by scripts.
#
#	net_begin			a namespace and a folder ($DIR), both gone at exit
#	weft_up [OPTIONS]		weft -d there; returns when it is ready.  $WEFT_PID
#	weft_down			SIGTERM; its exit status
#	host COMMAND...			at the host's end of the TAP
#	ctl COMMAND...			in the stack
#	ctl_start COMMAND...		in the stack, in the background; $CTL_PID
#	pass NAME; fail NAME WHY; expect NAME COMMAND...
#	until_true SECONDS COMMAND...; until_full; weft_listens PORT; host_listens PORT
#	host_capture FILE; host_capture_end; capture_end PID LOG; weft_capture FILE; weft_capture_end
#
# weft is 10.0.0.1, the host 10.0.0.2, on tap0, as by default.

WEFT=$WEFT_BUILD/weft
failed=0

pass() {
	echo "ok $1"
}

fail() {
	echo "not ok $1: $2"
	failed=1
}

# expect NAME COMMAND...: it must succeed; its output is shown when it does not.
expect() {
	expect_name=$1
	shift
	if "$@" >"$DIR/out" 2>&1; then
		pass "$expect_name"
	else
		expect_status=$?
		sed 's/^/  | /' "$DIR/out" | tail -n 20
		fail "$expect_name" "$1 ended with $expect_status"
	fi
}

# need COMMAND...: the script is skipped where one is missing.
need() {
	for need_tool in "$@"; do
		command -v "$need_tool" >/dev/null && continue
		echo "skip $(basename "$0" .sh): no $need_tool"
		exit 0
	done
}

# need_root: the script is skipped for who may not make namespaces and devices.
need_root() {
	[ "$(id -u)" = 0 ] && [ -c /dev/net/tun ] && return
	echo "skip $(basename "$0" .sh): needs root and /dev/net/tun"
	exit 0
}

net_begin() {
	need ip unshare
	need_root
	DIR=$(mktemp -d)
	NS=weft-test-$$
	WEFT_PID=
	trap net_end EXIT
	trap 'exit 1' INT TERM
	ip netns add "$NS"
	ip -n "$NS" link set lo up
}

net_end() {
	[ -z "$WEFT_PID" ] || kill -9 "$WEFT_PID" 2>/dev/null
	ip netns pids "$NS" 2>/dev/null | while read -r net_pid; do kill -9 "$net_pid" 2>/dev/null; done
	ip netns del "$NS" 2>/dev/null
	rm -rf "$DIR"
}

host() {
	ip netns exec "$NS" "$@"
}

ctl() {
	"$WEFT" ctl --control "$DIR/control" "$@"
}

# weft_begin COMMAND...: a weft by COMMAND.  The log is a file that it writes and a tail that ends with the line it waits
# for; emptied here, for the shell of the background may be late, and then an older weft's line would be found.
weft_begin() {
	: >"$DIR/log"
	"$@" >"$DIR/log" 2>&1 </dev/null &
	WEFT_PID=$!
	if ! timeout 30 sh -c "tail -n +1 -F --pid=$WEFT_PID '$DIR/log' 2>/dev/null | grep -q -m1 '^weft: ready'"; then
		sed 's/^/  | /' "$DIR/log"
		fail weft_starts "no 'weft: ready' within 30 s"
		exit 1
	fi
}

weft_up() {
	weft_begin ip netns exec "$NS" "$WEFT" -d --control "$DIR/control" "$@"
}

weft_down() {
	kill -TERM "$WEFT_PID"
	wait "$WEFT_PID"
	weft_status=$?
	WEFT_PID=
	[ "$weft_status" -eq 0 ] || tail -n 20 "$DIR/log" | sed 's/^/  | /'
	return $weft_status
}

# ctl_start COMMAND...: in the background, with this call's redirections; $CTL_PID takes a SIGINT.
ctl_start() {
	"$WEFT" ctl --control "$DIR/control" "$@" <&0 &
	CTL_PID=$!
}

# --- waiting --------------------------------------------------------------------------------------

# until_true SECONDS COMMAND...: looks again and again until it succeeds; its status when the time is over.
until_true() {
	until_end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s%N)" -lt $until_end ] || return 1
		sleep 0.05
	done
}

# until_full: the pipe that is standard input, open both ways, takes no more.  The bytes in it do not tell, for
# its pages are not filled to the brim.
until_full() {
	timeout 30 python3 -c '
import select, time
room = select.poll()
room.register(0, select.POLLOUT)
while room.poll(0):
	time.sleep(0.01)
'
}

# seen PATTERN COMMAND...: the command prints it.
seen() {
	seen_pattern=$1
	shift
	"$@" 2>&1 | grep -Eq -- "$seen_pattern"
}

weft_listens() {
	until_true 10 seen ":$1\\b" ctl ss -ltun
}

host_listens() {
	until_true 10 seen ":$1\\b" host ss -ltun
}

# gauge NAME: its value in `stat`.
gauge() {
	ctl stat | awk -v name="$1" '$1 == name { print $2 }'
}

# --- captures -------------------------------------------------------------------------------------

# host_capture FILE [TCPDUMP ARGS]: tcpdump at the host's end of tap0; returns when it looks.
host_capture() {
	host_capture_file=$1
	shift
	ip netns exec "$NS" tcpdump -i tap0 -n -Z root -B 65536 -s 1600 -U --immediate-mode -w "$host_capture_file" "$@" \
		2>"$DIR/host_capture.log" >/dev/null &
	HOST_CAPTURE=$!
	until_true 10 grep -q 'listening on' "$DIR/host_capture.log"
}

# capture_whole PID LOG: tcpdump has written all that the kernel has for it, by its own count, which SIGUSR1 asks for.
capture_whole() {
	kill -USR1 "$1" 2>/dev/null || return 0 # it ends by itself when the device goes
	sed -n 's/^.*[^0-9]\([0-9]*\) packets* captured, \([0-9]*\) .* filter, \([0-9]*\) .*$/\1 \2 \3/p' "$2" | tail -n 1 |
		awk '{ whole = $1 + $3 >= $2 } END { exit !whole }'
}

# capture_end PID LOG: what it has not read yet at a SIGINT it would not write.
capture_end() {
	until_true 10 capture_whole "$1" "$2"
	kill -INT "$1" 2>/dev/null
	wait "$1"
}

host_capture_end() {
	capture_end "$HOST_CAPTURE" "$DIR/host_capture.log"
}

# weft_capture FILE [TCPDUMP ARGS]: the stack's own view of tap0, by its own tcpdump.
weft_capture() {
	weft_capture_file=$1
	shift
	ctl_start tcpdump -i tap0 -w "$weft_capture_file" "$@" 2>"$DIR/weft_capture.log" >/dev/null </dev/null
	WEFT_CAPTURE=$CTL_PID
	until_true 10 test -s "$weft_capture_file"
}

weft_capture_end() {
	kill -INT "$WEFT_CAPTURE"
	wait "$WEFT_CAPTURE"
}
