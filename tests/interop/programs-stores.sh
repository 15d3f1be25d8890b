#!/bin/bash
# python, redis, memcached and iperf3 on weft, each as server and client.
. tests/harness/programs.sh
need curl python3 redis-server redis-cli redis-benchmark memcached iperf3 socat
programs_begin python3 redis-server redis-cli=redis-tools redis-benchmark=redis-tools memcached iperf3

head -c 20000000 /dev/urandom >"$DIR/www/file"

# --- python ---------------------------------------------------------------------------------------
run_start http python3 -m http.server 8000 --directory "$DIR/www"
weft_listens 8000
works python3 http.server host bash -c "curl -sS --max-time 20 http://10.0.0.1:8000/file | cmp - '$DIR/www/file'"
urllib='import sys, urllib.request
body = urllib.request.urlopen(sys.argv[1], timeout=20).read()
assert body == open(sys.argv[2], "rb").read()'
works python3 'urllib, both ends' run python3 -c "$urllib" http://127.0.0.1:8000/file "$DIR/www/file"
run_stop
host_start http python3 -m http.server --bind 10.0.0.2 8000 --directory "$DIR/www"
host_listens 8000
works python3 urllib run python3 -c "$urllib" http://10.0.0.2:8000/file "$DIR/www/file"
host_stop
works python3 'asyncio, both ends' run python3 tests/harness/run_asyncio.py 127.0.0.1 0
host_start echo socat TCP-LISTEN:9100,fork,reuseaddr,backlog=128 EXEC:cat
host_listens 9100
works python3 'asyncio' run python3 tests/harness/run_asyncio.py 10.0.0.2 9100
host_stop

refused='import errno, select, socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect(("10.0.0.2", 9999))
u.send(b"x")
assert select.select([u], [], [], 5)[0]
try:
	getattr(u, sys.argv[1])(10)
except OSError as e:
	sys.exit(e.errno != errno.ECONNREFUSED)
sys.exit(1)'
works python3 'UDP refused, told by recvfrom()' run python3 -c "$refused" recvfrom
works python3 'UDP refused, told by recv()' run python3 -c "$refused" recv
listening='import errno, socket
s = socket.create_server(("", 0))
assert s.connect_ex(("10.0.0.2", 8000)) == errno.EISCONN'
works python3 'EISCONN of what listens' run python3 -c "$listening"

# --- redis ----------------------------------------------------------------------------------------
run_start redis redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --dir "$DIR" --save ''
redis=$RUN
weft_listens 6379
redis_cli() {
	redis-cli -h 10.0.0.1 "$@"
}
answers() {
	answers_what=$1
	shift
	[ "$("$@")" = "$answers_what" ]
}
works redis-server 'set' answers OK host redis-cli -h 10.0.0.1 set key value
works redis-cli 'both ends' answers value run redis-cli -h 127.0.0.1 get key
bench() {
	"$@" redis-benchmark -h 10.0.0.1 -c 50 -n 50000 -P 16 -t set,get -q >"$DIR/bench" 2>&1 || return 1
	[ "$(tr '\r' '\n' <"$DIR/bench" | grep -c 'requests per second, p50')" = 2 ] && ! grep -qi error "$DIR/bench"
}
works redis-server 'redis-benchmark -c 50 -P 16' bench host timeout 60
works redis-benchmark 'both ends, -c 50 -P 16' bench run
host timeout 60 redis-benchmark -h 10.0.0.1 -c 50 -n 100000 -P 16 -t set -r 100000 -q >"$DIR/bench" 2>&1 &
load=$!
saved() {
	[ "$(host redis-cli -h 10.0.0.1 bgsave)" = 'Background saving started' ] && wait "$load" &&
		until_true 10 seen 'rdb_bgsave_in_progress:0' host redis-cli -h 10.0.0.1 info persistence &&
		[ -s "$DIR/dump.rdb" ] && seen 'rdb_last_bgsave_status:ok' host redis-cli -h 10.0.0.1 info persistence
}
works redis-server 'bgsave under load' saved
run_start replica redis-server --port 6380 --bind 0.0.0.0 --protected-mode no --dir "$DIR" --dbfilename replica --save '' \
	--replicaof 127.0.0.1 6379
weft_listens 6380
replicates() {
	host redis-cli -h 10.0.0.1 config set repl-diskless-sync-delay 0 && host redis-cli -h 10.0.0.1 set late value &&
		until_true 15 answers value host redis-cli -h 10.0.0.1 -p 6380 get late
}
works redis-server 'replica, both ends' replicates
run_stop
RUN=$redis
works redis-server 'shutdown' host redis-cli -h 10.0.0.1 shutdown nosave
wait $RUN
expect redis_ends_well test $? = 0
host_start redis redis-server --port 6379 --bind 10.0.0.2 --protected-mode no --dir "$DIR" --save ''
host_listens 6379
works redis-cli 'client' answers PONG run redis-cli -h 10.0.0.2 ping
works redis-benchmark 'client, -c 50 -P 16' run redis-benchmark -h 10.0.0.2 -c 50 -n 50000 -P 16 -t get -q
host_stop

# --- memcached ------------------------------------------------------------------------------------
run_start memcached memcached -u nobody -l 0.0.0.0 -p 11211 -U 11211 -t 4
weft_listens 11211
cat >"$DIR/memcached.py" <<'END'
import socket, sys, threading
def ask():
    s = socket.create_connection((sys.argv[1], 11211), 10)
    f = s.makefile("rwb")
    value = bytes(range(1, 256)) * 400
    for i in range(20):
        f.write(b"set key%d 0 0 %d\r\n%s\r\nget key%d\r\n" % (i, len(value), value, i))
        f.flush()
        assert f.readline() == b"STORED\r\n"
        assert f.readline() == b"VALUE key%d 0 %d\r\n" % (i, len(value))
        assert f.read(len(value) + 7) == value + b"\r\nEND\r\n"
    done.append(1)
done = []
threads = [threading.Thread(target=ask) for _ in range(20)]
for t in threads: t.start()
for t in threads: t.join()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(5)
u.sendto(b"\0\1\0\0\0\1\0\0version\r\n", (sys.argv[1], 11211))
assert u.recv(1500)[8:].startswith(b"VERSION")
assert len(done) == 20
END
works memcached 'four threads, 20 clients, UDP' host python3 "$DIR/memcached.py" 10.0.0.1
works memcached 'both ends' run python3 "$DIR/memcached.py" 127.0.0.1
run_stop

# --- iperf3 ---------------------------------------------------------------------------------------
# measures COMMAND...: it says a rate at its end, and no error.
measures() {
	"$@" --json >"$DIR/iperf" || return 1
	python3 -c 'import json, sys
end = json.load(open(sys.argv[1]))["end"]
assert end.get("sum_received", end.get("sum"))["bits_per_second"] > 1e6' "$DIR/iperf"
}
run_start iperf3 iperf3 -s
weft_listens 5201
client=(iperf3 -c 10.0.0.1 -t 1)
works iperf3 '-s' measures host timeout 20 "${client[@]}"
works iperf3 '-s with -R' measures host timeout 20 "${client[@]}" -R
works iperf3 '-s with -P 4' measures host timeout 20 "${client[@]}" -P 4
works iperf3 '-s with -u' measures host timeout 20 "${client[@]}" -u -b 50M
works iperf3 '-s with -u -R' measures host timeout 20 "${client[@]}" -u -R -b 50M
works iperf3 'both ends' measures run "${client[@]}"
works iperf3 'both ends, -u' measures run "${client[@]}" -u -b 50M
run_stop
host_start iperf3 iperf3 -s
host_listens 5201
client=(iperf3 -c 10.0.0.2 -t 1)
works iperf3 '-c' measures run "${client[@]}"
works iperf3 '-c -R' measures run "${client[@]}" -R
works iperf3 '-c -P 4' measures run "${client[@]}" -P 4
works iperf3 '-c --bidir' measures run "${client[@]}" --bidir
works iperf3 '-c -u' measures run "${client[@]}" -u -b 50M
works iperf3 '-c -u -R' measures run "${client[@]}" -u -R -b 50M
host_stop

programs_end
