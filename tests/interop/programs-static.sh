#!/bin/bash
# busybox, which is static, and caddy and hey, which are Go's, on weft, with servers and clients of the host's kernel
# and on weft.
. tests/harness/programs.sh
need busybox caddy hey curl python3 cmp
programs_begin busybox=busybox-static caddy hey

head -c 20000000 /dev/urandom >"$DIR/www/large"
head -c 20000 /dev/urandom >"$DIR/www/small"
export HOME=$DIR XDG_CONFIG_HOME=$DIR XDG_DATA_HOME=$DIR

# same FILE COMMAND...: its output is the file.
same() {
	same_file=$1
	shift
	"$@" | cmp - "$same_file"
}

host_start http python3 -m http.server --bind 10.0.0.2 --directory "$DIR/www" 8000
http=$HOST
host_listens 8000
works busybox 'wget, 20 MB' same "$DIR/www/large" run busybox wget -q -O - http://10.0.0.2:8000/large

run_start httpd busybox httpd -f -p 8080 -h "$DIR/www"
httpd=$RUN
weft_listens 8080
works busybox 'httpd, a process a request' same "$DIR/www/large" host curl -sS --max-time 20 http://10.0.0.1:8080/large
works busybox 'both ends' same "$DIR/www/small" run busybox wget -q -O - http://127.0.0.1:8080/small
run_start nc busybox nc -l -p 9000
nc=$RUN
weft_listens 9000
echo over | host timeout 10 nc -N 10.0.0.1 9000
works busybox 'nc, listen' grep -qx over "$DIR/nc.log"
works busybox ping run busybox ping -c 2 -W 5 10.0.0.2
run_stop $nc
run_stop $httpd

run_start caddy caddy file-server --root "$DIR/www" --listen :8090
caddy=$RUN
weft_listens 8090
works caddy 'file-server, 20 MB' same "$DIR/www/large" host curl -sS --max-time 20 http://10.0.0.1:8090/large
works caddy 'both ends' same "$DIR/www/small" run curl -sS --max-time 20 http://127.0.0.1:8090/small
# all_answered URL: two thousand times 200.
all_answered() {
	run hey -n 2000 -c 100 "$1" | grep -q '\[200\].*2000 responses'
}
works hey 'client, -c 100' all_answered http://10.0.0.2:8000/small
works hey 'both ends, -c 100' all_answered http://10.0.0.1:8090/small
run_stop $caddy
host_stop $http
programs_end
