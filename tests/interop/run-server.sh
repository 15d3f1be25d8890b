#!/bin/bash
# `weft run`: stock servers on weft's TCP, asked by the host's kernel and by each other.
. tests/harness/net.sh
need python3 curl nc socat
net_begin
weft_up

run() {
	timeout 60 "$WEFT" run --control "$DIR/control" -- "$@"
}

# Behind this script; $RUN is weft run's pid.
run_start() {
	"$WEFT" run --control "$DIR/control" -- "$@" >"$DIR/$1.log" 2>&1 </dev/null &
	RUN=$!
}

mkdir "$DIR/www"
head -c 5000000 /dev/urandom >"$DIR/www/file"
run_start python3 -m http.server 8000 --directory "$DIR/www"
weft_listens 8000
fetch="curl -sS --max-time 20 http://10.0.0.1:8000/file | cmp - '$DIR/www/file'"
expect http_server_exact host bash -c "$fetch"
expect http_server_parallel host curl -sS --max-time 20 -Z --parallel-max 20 -o "$DIR/p#1" 'http://10.0.0.1:8000/file?[1-20]'
expect http_server_between_programs run bash -c "${fetch/10.0.0.1/127.0.0.1}"
expect http_server_to_a_pid_namespace run unshare -pf --mount-proc bash -c "${fetch/10.0.0.1/127.0.0.1}"
expect ss_shows_program bash -c "'$WEFT' ctl --control '$DIR/control' ss -ltnp | grep -q ':8000 .*python3'"
kill -TERM $RUN
wait $RUN
expect sigterm_is_passed_on test $? = 143
expect listener_goes_with_its_process until_true 10 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -ltn | grep -q ':8000 '"

run_start python3 -m http.server 8000 --directory "$DIR/www"
weft_listens 8000
expect port_is_free_again host bash -c "$fetch"
pid=$(pgrep -P $RUN)
kill -9 "$pid"
wait $RUN
expect killed_is_137 test $? = 137
expect listener_goes_with_killed until_true 10 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -ltn | grep -q ':8000 '"

expect late_reader_finds_all run python3 tests/harness/run_full.py 10.0.0.1

run_start nc -l 9000
weft_listens 9000
echo over | host timeout 10 nc -N 10.0.0.1 9000
wait $RUN
expect nc_listens grep -qx over "$DIR/nc.log"
expect refused_where_none_listens bash -c "! ip netns exec $NS nc -w 5 10.0.0.1 9000 </dev/null"

run_start socat TCP-LISTEN:9001,fork,reuseaddr EXEC:cat
weft_listens 9001
head -c 1000000 "$DIR/www/file" >"$DIR/part"
for i in 1 2 3; do
	host timeout 20 socat -t 10 STDIO TCP:10.0.0.1:9001 <"$DIR/part" >"$DIR/back$i"
done
expect socat_fork_exec cmp "$DIR/part" "$DIR/back3"
kill $RUN
wait $RUN 2>/dev/null

run_start python3 tests/harness/run_sendfile.py 9003 "$DIR/www/file"
weft_listens 9003
host timeout 20 nc 10.0.0.1 9003 </dev/null >"$DIR/sent"
expect sendfile_never_blocking cmp "$DIR/www/file" "$DIR/sent"
wait $RUN

run_start python3 tests/harness/run_cork.py serve 9004
weft_listens 9004
expect corked_answers_wait_for_no_ack host timeout 30 python3 tests/harness/run_cork.py ask 10.0.0.1 9004 100
wait $RUN

run_start python3 tests/harness/run_fork.py 9002
weft_listens 9002
expect accept_in_children host bash -c 'for i in 1 2 3 4 5 6; do nc -w 10 10.0.0.1 9002 </dev/null; done | sort | uniq -c | grep -q served'
kill $RUN
wait $RUN 2>/dev/null

run_start python3 -c 'import socket
socket.create_server(("", 9005)).accept()[0].send(b"let in")'
weft_listens 9005
host python3 -c 'import re, socket
name = next(re.search(r"@(ws\w{14})$", l) for l in open("/proc/net/unix") if re.search(r" 00010000 .*@ws\w{14}$", l))[1]
s = socket.socket(socket.AF_UNIX)
s.bind("\0wc" + name[2:8] + "00000000")
s.connect("\0" + name)'
expect strangers_goodbye_is_not_wefts host bash -c 'nc -d -w 10 10.0.0.1 9005 | grep -qx "let in"'
wait $RUN

run_start python3 -c 'import socket
s = socket.create_server(("", 8000))
print("listens", flush=True)
s.accept()'
until_true 10 grep -q listens "$DIR/python3.log"
kill -9 "$WEFT_PID"
wait "$WEFT_PID" 2>/dev/null
WEFT_PID=
wait $RUN
expect weft_killed_ends_accept grep -q 'Network is down' "$DIR/python3.log"
expect weft_killed_is_told grep -q 'weft has ended' "$DIR/python3.log"
exit $failed
