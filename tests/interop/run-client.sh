#!/bin/bash
# `weft run`: stock clients on weft's TCP, against the host's kernel and against weft itself.
. tests/harness/net.sh
need python3 curl nc
net_begin
weft_up -c 'inetd; httpd 80'

run() {
	timeout 30 "$WEFT" run --control "$DIR/control" -- "$@"
}

mkfifo "$DIR/stays"
mkdir "$DIR/www"
head -c 5000000 /dev/urandom >"$DIR/www/file"
(cd "$DIR/www" && exec ip netns exec "$NS" python3 -m http.server --bind 10.0.0.2 8000 >"$DIR/server" 2>&1) &
host_listens 8000

expect curl_exact bash -c "'$WEFT' run --control '$DIR/control' -- curl -sS --max-time 20 http://10.0.0.2:8000/file | cmp - '$DIR/www/file'"
expect curl_came_from_weft grep -q '^10\.0\.0\.1 ' "$DIR/server"
expect curl_parallel run curl -sS --max-time 20 -Z --parallel-max 20 -o "$DIR/p#1" 'http://10.0.0.2:8000/file?[1-20]'
parallel=$(cmp "$DIR/www/file" "$DIR/p20" && find "$DIR" -name 'p[0-9]*' -size 5000000c | wc -l)
expect curl_parallel_exact test "$parallel" = 20

run python3 -c '
import socket
s = socket.create_connection(("10.0.0.2", 8000))
open("/proc/self/comm", "wb").write(b"\x1b[2J\xff\xc3\xa4")
print("there", flush=True)
input()
' <>"$DIR/stays" >"$DIR/odd" &
odd=$!
until_true 10 grep -q there "$DIR/odd"
expect odd_name_is_shown seen 'users:\(\("\\x1b\[2J\\xffä",pid=' ctl ss -tnp
ctl ss -tnp --json >"$DIR/json"
expect program_in_json python3 -c '
import json, sys
rows = json.load(open(sys.argv[1], "rb"))
assert [r["program"] for r in rows if r.get("pid")] == ["\x1b[2J\ufffdä"], rows' "$DIR/json"
echo >"$DIR/stays"
wait $odd

before=$(date +%s%N)
run curl -sS --max-time 20 http://10.0.0.2:8001/ >/dev/null 2>&1
status=$?
expect refused_is_7 test $status = 7
expect refused_at_once test $(($(date +%s%N) - before)) -lt 2000000000
expect refused_by_name bash -c "'$WEFT' run --control '$DIR/control' -- python3 -c '
import errno, socket
for blocking in True, False:
	s = socket.socket()
	s.setblocking(blocking)
	e = s.connect_ex((\"10.0.0.2\", 8001))
	if not blocking:
		assert e == errno.EINPROGRESS, e
		import select
		select.select([], [s], [])
		e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
	assert e == errno.ECONNREFUSED, e
	assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
'"

echo over | run nc -N 10.0.0.1 7 >"$DIR/echoed"
expect nc_half_close grep -qx over "$DIR/echoed"
# shellcheck disable=SC2016 # the inner shell's
expect bash_dev_tcp run bash -c 'exec 3<>/dev/tcp/10.0.0.1/80 && printf "GET /hello HTTP/1.0\r\n\r\n" >&3 && grep -q Hello <&3'
expect loopback run curl -sS --max-time 10 -o /dev/null http://127.0.0.1/hello
expect names_and_options run python3 tests/harness/run_names.py 10.0.0.1 7
expect splice_more_than_a_buffer run python3 tests/harness/run_splice.py 10.0.0.1 9 "$DIR/www/file"
expect reset_is_told run python3 tests/harness/run_reset.py 10.0.0.1

run bash -c 'exit 7'
expect status_is_the_programs test $? = 7
run sh -c 'kill -9 $$'
expect signal_is_the_programs test $? = 137
run /nowhere/to/be/found 2>/dev/null
expect not_found_is_127 test $? = 127
for call in '__read_chk(0, room, 20, 10)' '__recv_chk(0, room, 20, 10, 0)' '__recvfrom_chk(0, room, 20, 10, 0, None, None)'; do
	run python3 -c "import ctypes
room = ctypes.create_string_buffer(20)
ctypes.CDLL(None).$call" </dev/null >/dev/null 2>&1
	expect "overflow_ends_${call%%(*}" test $? = 134
done

expect environment_cleared run env -i /usr/bin/curl -sS --max-time 10 -o /dev/null http://10.0.0.1/hello
# shellcheck disable=SC2016
timeout 30 "$WEFT" run --control "$DIR/control" --mode preload -- python3 -c 'import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(41, 2, 1, 0)
print(fd, os.strerror(ctypes.get_errno()))' >"$DIR/raw"
expect host_is_refused grep -q '^-1 Address family not supported' "$DIR/raw"
# The host's devices are nobody's in either mode: packet and XDP sockets are there, and refused.
for mode in preload notify; do
	timeout 30 "$WEFT" run --control "$DIR/control" --mode $mode -- python3 -c 'import socket
for family in 17, 44, 24, 21, 33, 43, 30:
	try:
		socket.socket(family, socket.SOCK_RAW, 0)
		print(family, "is given")
	except OSError as e:
		if e.errno != 97:
			print(family, e)' >"$DIR/given" 2>&1
	expect "devices_are_refused_$mode" test ! -s "$DIR/given"
done
expect nothing_left until_true 10 bash -c "[ \"\$('$WEFT' ctl --control '$DIR/control' ss -e -t | grep -c 'fd:')\" = 0 ]"
expect weft_ends weft_down
exit $failed
