#!/bin/bash
# nginx, haproxy, ab, wrk, openssl and git on weft.
. tests/harness/programs.sh
need curl nginx wrk ab haproxy openssl git cmp
programs_begin nginx=nginx-light haproxy wrk ab=apache2-utils openssl git
chmod 755 "$DIR" # nginx's workers are www-data's

head -c 3000000 /dev/urandom >"$DIR/www/file"
head -c 1000 /dev/urandom >"$DIR/www/small"

# nginx_conf NAME WORKERS LISTEN
nginx_conf() {
	cat >"$DIR/$1.conf" <<-END
		daemon off;
		worker_processes $2;
		pid $DIR/$1.pid;
		error_log $DIR/$1.error info;
		events { worker_connections 1024; }
		http {
			access_log off;
			sendfile on;
			tcp_nopush on;
			keepalive_requests 100000;
			client_body_temp_path $DIR/$1.body;
			proxy_temp_path $DIR/$1.proxy;
			fastcgi_temp_path $DIR/$1.fastcgi;
			uwsgi_temp_path $DIR/$1.uwsgi;
			scgi_temp_path $DIR/$1.scgi;
			server { listen $3; root $DIR/www; }
		}
	END
	echo "$DIR/$1.conf"
}

# --- nginx ----------------------------------------------------------------------------------------
fetches() {
	"$@" curl -sS --max-time 20 http://10.0.0.1:8080/file | cmp - "$DIR/www/file"
}
# wrk_clean FILE: all answers were good ones.  A reload may close a connection that wrk is about to use.
wrk_clean() {
	grep -q '^Requests/sec: *[1-9]' "$1" && ! grep -q 'Non-2xx' "$1" &&
		! grep 'Socket errors' "$1" | grep -vq 'connect 0, read [0-9]*, write 0, timeout 0'
}
run_start one nginx -c "$(nginx_conf one 1 8080)"
weft_listens 8080
works nginx 'one worker, sendfile, tcp_nopush' fetches host
works nginx 'both ends' fetches run
loaded() {
	"$@" wrk -t 2 -c 100 -d 2 http://10.0.0.1:8080/small >"$DIR/wrk" 2>&1 && wrk_clean "$DIR/wrk" &&
		! grep -q 'Socket errors' "$DIR/wrk"
}
works nginx 'wrk -c 100' loaded host
works wrk 'both ends, -c 100' loaded run
all_answered() {
	"$@" >"$DIR/ab" 2>&1 && grep -q '^Failed requests: *0$' "$DIR/ab" && grep -q '^Complete requests: *2000$' "$DIR/ab"
}
works nginx 'ab without keepalive' all_answered host timeout 30 ab -n 2000 -c 50 http://10.0.0.1:8080/small
works ab 'both ends, without keepalive' all_answered run ab -n 2000 -c 50 http://10.0.0.1:8080/small
run_stop

run_start four nginx -c "$(nginx_conf four 4 '8080 reuseport')"
weft_listens 8080
works nginx 'four workers, reuseport' loaded host
run_stop
run_start four nginx -c "$(nginx_conf four 4 8080)"
weft_listens 8080
works nginx 'four workers' loaded host
host wrk -t 2 -c 100 -d 3 http://10.0.0.1:8080/small >"$DIR/wrk" 2>&1 &
load=$!
reloads() {
	for _ in 1 2 3; do
		workers=$(pgrep -P "$(cat "$DIR/four.pid")" | sort | tr '\n' ' ')
		run nginx -c "$DIR/four.conf" -s reload || return 1
		until_true 5 bash -c "[ \"\$(pgrep -P $(cat "$DIR/four.pid") | sort | tr '\n' ' ')\" != '$workers' ]" || return 1
	done
	wait "$load" && wrk_clean "$DIR/wrk" && fetches host
}
works nginx 'reload under wrk -c 100' reloads
nginx=$RUN

run_start mapped nginx -c "$(nginx_conf mapped 1 '[::]:8083 ipv6only=off deferred so_keepalive=on')"
weft_listens 8083
works nginx 'listen [::], deferred, so_keepalive' host curl -sS --max-time 20 -o /dev/null http://10.0.0.1:8083/small
run_stop

# both NAME PORT LISTEN: one port for each family, in that order.
both() {
	run_start "$1" nginx -c "$(nginx_conf "$1" 1 "$3")"
	weft_listens "$2"
	host curl -sS --max-time 20 -o "$DIR/got" "http://10.0.0.1:$2/small" && cmp "$DIR/got" "$DIR/www/small" || return
	seen " 0\.0\.0\.0:$2 " ctl ss -ltn && seen " \[::\]:$2 " ctl ss -ltn
}
works nginx 'listen on a port and on [::] with it' both four_six 8084 '8084; listen [::]:8084'
run_stop
works nginx 'the other way about' both six_four 8085 '[::]:8085; listen 8085'
run_stop

# --- haproxy --------------------------------------------------------------------------------------
cat >"$DIR/haproxy.cfg" <<-END
	defaults
	  mode http
	  timeout connect 5s
	  timeout client 10s
	  timeout server 10s
	frontend in
	  bind 0.0.0.0:8081
	  default_backend out
	backend out
	  option httpchk GET /small
	  server nginx 127.0.0.1:8080 check
END
run_start haproxy haproxy -db -f "$DIR/haproxy.cfg"
haproxy=$RUN
weft_listens 8081
# proxied WHERE: fetched and asked by programs there
proxied() {
	"$1" curl -sS --max-time 20 http://10.0.0.1:8081/file | cmp - "$DIR/www/file" &&
		"$1" timeout 20 wrk -t 2 -c 50 -d 1 http://10.0.0.1:8081/small >"$DIR/wrk" && wrk_clean "$DIR/wrk"
}
works haproxy 'before nginx, wrk -c 50' proxied host
works haproxy 'before nginx, wrk -c 50, both ends' proxied run
run_stop $haproxy
run_stop $nginx

host_start far nginx -c "$(nginx_conf far 2 10.0.0.2:8082)"
far=$HOST
host_listens 8082
works wrk 'client' run wrk -t 2 -c 100 -d 1 http://10.0.0.2:8082/small
works ab 'client, without keepalive' all_answered run ab -n 2000 -c 50 http://10.0.0.2:8082/small

# --- openssl --------------------------------------------------------------------------------------
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=weft -addext subjectAltName=IP:10.0.0.2,IP:10.0.0.1 \
	-keyout "$DIR/key" -out "$DIR/cert" 2>/dev/null
(cd "$DIR/www" && exec "$WEFT" run --control "$DIR/control" -- openssl s_server -quiet -accept 8443 -WWW -key "$DIR/key" \
	-cert "$DIR/cert") >"$DIR/https.log" 2>&1 </dev/null &
https=$!
weft_listens 8443
works openssl s_server host bash -c "curl -sS --max-time 20 --cacert '$DIR/cert' https://10.0.0.1:8443/file | cmp - '$DIR/www/file'"
asks() {
	printf 'GET /small HTTP/1.0\r\n\r\n' | run openssl s_client -quiet -verify_return_error -CAfile "$DIR/cert" \
		-connect "$1" 2>/dev/null | tail -c 1000 | cmp - "$DIR/www/small"
}
works openssl 's_client, both ends' asks 127.0.0.1:8443
run_stop $https
(cd "$DIR/www" && exec ip netns exec "$NS" openssl s_server -quiet -accept 10.0.0.2:8443 -WWW -key "$DIR/key" \
	-cert "$DIR/cert") >"$DIR/https.log" 2>&1 </dev/null &
https=$!
host_listens 8443
works openssl s_client asks 10.0.0.2:8443
host_stop $https

# --- git ------------------------------------------------------------------------------------------
{
	git init -q "$DIR/tree"
	cp "$DIR/www/file" "$DIR/tree"
	git -C "$DIR/tree" add file
	git -C "$DIR/tree" -c user.name=weft -c user.email=weft@weft commit -q -m file
	git clone -q --bare "$DIR/tree" "$DIR/www/tree.git"
	git -C "$DIR/www/tree.git" update-server-info
	touch "$DIR/www/tree.git/git-daemon-export-ok"
} >"$DIR/git.log" 2>&1
cloned() {
	rm -rf "$DIR/clone"
	"$@" "$DIR/clone" && cmp "$DIR/clone/file" "$DIR/www/file"
}
works git 'clone over http' cloned run git clone -q http://10.0.0.2:8082/tree.git
host_stop $far
run_start daemon git daemon --reuseaddr --base-path="$DIR/www"
weft_listens 9418
works git 'daemon' cloned host git clone -q git://10.0.0.1/tree.git
works git 'clone from daemon, both ends' cloned run git clone -q git://127.0.0.1/tree.git
run_stop

programs_end
