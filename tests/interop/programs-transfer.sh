#!/bin/bash
# curl, wget, nc, socat and bash's /dev/tcp on weft, with servers and clients of the host's kernel and on weft.
. tests/harness/programs.sh
need curl wget nc socat bash openssl python3 cmp
programs_begin curl wget nc=netcat-openbsd socat bash

head -c 100000000 /dev/urandom >"$DIR/www/large"
head -c 200000 /dev/urandom >"$DIR/www/small"
cp "$DIR/www/small" "$DIR/in"

# same FILE COMMAND...: its output is the file.
same() {
	same_file=$1
	shift
	"$@" | cmp - "$same_file"
}

# --- curl, wget -----------------------------------------------------------------------------------
host_start http python3 -m http.server --bind 10.0.0.2 --directory "$DIR/www" 8000
http=$HOST
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=weft -addext subjectAltName=IP:10.0.0.2,IP:10.0.0.1 \
	-keyout "$DIR/key" -out "$DIR/cert" 2>/dev/null
(cd "$DIR/www" && exec ip netns exec "$NS" openssl s_server -quiet -accept 10.0.0.2:8443 -WWW -key "$DIR/key" \
	-cert "$DIR/cert") >"$DIR/https.log" 2>&1 </dev/null &
https=$!
run_start own python3 -m http.server --directory "$DIR/www" 8000
own=$RUN
host_listens 8000
host_listens 8443
weft_listens 8000

works curl '100 MB' same "$DIR/www/large" run curl -sS http://10.0.0.2:8000/large
works curl 'both ends, 100 MB' same "$DIR/www/large" run curl -sS http://10.0.0.1:8000/large
works curl '50 in parallel' run curl -sS -Z --parallel-max 50 -o "$DIR/p#1" 'http://10.0.0.2:8000/small?[1-50]'
fifty() {
	for i in $(seq 50); do
		cmp "$DIR/www/small" "$DIR/p$i" || return 1
	done
}
works curl '50 in parallel, each whole' fifty
works curl https same "$DIR/www/small" run curl -sS --cacert "$DIR/cert" https://10.0.0.2:8443/small
refused() {
	run timeout 5 curl -sS http://10.0.0.2:9999/
	[ $? = 7 ]
}
works curl 'refused, status 7 at once' refused
timed_out() {
	run timeout 10 curl -sS --connect-timeout 1 http://10.0.0.77:8000/
	[ $? = 28 ] || [ $? = 7 ]
}
works curl 'nobody there, status 7 or 28' timed_out
works wget '100 MB' same "$DIR/www/large" run wget -q -O - http://10.0.0.2:8000/large
works wget 'both ends' same "$DIR/www/small" run wget -q -O - http://127.0.0.1:8000/small
wget_refused() {
	run timeout 10 wget -q -t 1 http://10.0.0.2:9999/
	[ $? = 4 ]
}
works wget refused wget_refused
host_stop $http
host_stop $https
run_stop $own

# --- nc -------------------------------------------------------------------------------------------
run_start nc nc -l 9000
weft_listens 9000
works nc 'listen' host timeout 20 nc -N 10.0.0.1 9000 <"$DIR/www/small"
wait $RUN
works nc 'listen, whole' cmp "$DIR/www/small" "$DIR/nc.log"

host_start nc nc -l 10.0.0.2 9000
host_listens 9000
works nc 'connect and half close' run nc -N 10.0.0.2 9000 <"$DIR/www/small"
wait $HOST
works nc 'connect and half close, whole' cmp "$DIR/www/small" "$DIR/nc.log"

run_start nc nc -l 9000
weft_listens 9000
works nc 'both ends' run nc -N 127.0.0.1 9000 <"$DIR/www/small"
wait $RUN
works nc 'both ends, whole' cmp "$DIR/www/small" "$DIR/nc.log"

host_start nc nc -l -k 10.0.0.2 9003
host_listens 9003
scan() {
	run nc -zv -w 2 "$1" 9001-9005 >"$DIR/scan" 2>&1
	grep -q '9003 port .* succeeded' "$DIR/scan" && [ "$(grep -c refused "$DIR/scan")" = 4 ]
}
works nc 'scan of a range' scan 10.0.0.2
host_stop
run_start nc nc -l -k 9003
weft_listens 9003
works nc 'scan of a range, both ends' scan 10.0.0.1
run_stop
run_start nc nc -u -l 9005
weft_listens 9005
echo over | host timeout 5 nc -u -q 0 -w 1 10.0.0.1 9005
works nc 'UDP, listen' until_true 5 grep -qx over "$DIR/nc.log"
run_stop

# --- bash -----------------------------------------------------------------------------------------
host_start sock socat TCP-LISTEN:9100,fork,reuseaddr EXEC:cat
host_listens 9100
# shellcheck disable=SC2016 # the inner shell's
works bash '/dev/tcp' run bash -c 'exec 3<>/dev/tcp/10.0.0.2/9100 && echo over >&3 && read -r -u 3 x && [ "$x" = over ]'
# shellcheck disable=SC2016
works bash '/dev/tcp, refused' run bash -c '! exec 3<>/dev/tcp/10.0.0.2/9999'
# shellcheck disable=SC2016
works bash '/dev/udp' run bash -c 'echo over >/dev/udp/10.0.0.2/9999'

# --- socat ----------------------------------------------------------------------------------------
works socat 'client' same "$DIR/www/small" run socat -t 10 STDIO TCP:10.0.0.2:9100 <"$DIR/in"
host_stop
run_start socat socat TCP-LISTEN:9101,fork,reuseaddr EXEC:cat
weft_listens 9101
works socat 'server, fork,EXEC' same "$DIR/www/small" host timeout 20 socat -t 10 STDIO TCP:10.0.0.1:9101 <"$DIR/in"
# shellcheck disable=SC2016
works bash '/dev/tcp, both ends' run bash -c 'exec 3<>/dev/tcp/127.0.0.1/9101 && echo over >&3 && read -r -u 3 x && [ "$x" = over ]'
works socat 'both ends' same "$DIR/www/small" run socat -t 10 STDIO TCP:127.0.0.1:9101 <"$DIR/in"
many() {
	for i in $(seq 8); do
		host timeout 20 socat -t 10 STDIO TCP:10.0.0.1:9101 <"$DIR/in" | cmp - "$DIR/www/small" &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i" || return 1
	done
}
works socat 'server, eight at once' many
run_stop
run_start relay socat TCP-LISTEN:9102,fork,reuseaddr TCP:10.0.0.2:9103
host_start sink socat TCP-LISTEN:9103,fork,reuseaddr EXEC:cat
weft_listens 9102
host_listens 9103
works socat 'relay' same "$DIR/www/small" host timeout 20 socat -t 10 STDIO TCP:10.0.0.1:9102 <"$DIR/in"
run_stop
host_stop
run_start socat socat UDP-LISTEN:9104,fork EXEC:cat
weft_listens 9104
# shellcheck disable=SC2016
works socat 'UDP-LISTEN,fork' host bash -c '[ "$(echo over | timeout 5 socat -t 2 STDIO UDP:10.0.0.1:9104)" = over ]'
# shellcheck disable=SC2016
works socat 'UDP-LISTEN,fork, both ends' run bash -c '[ "$(echo over | timeout 5 socat -t 2 STDIO UDP:127.0.0.1:9104)" = over ]'
run_stop

programs_end
