#!/bin/bash
# sanitize: yes
# inetd's four services on TCP and UDP, httpd's answers to good and bad requests.
. tests/harness/commands.sh
need nc curl python3 cmp
net_begin
weft_up
host python3 -c 'print()' || exit 1

fails service 2 'unknown service foo' inetd foo
says some '' inetd discard daytime
expect only_those bash -c "'$WEFT' ctl --control '$DIR/control' ss -ltun | grep -Eo ':[0-9]+ ' | sort | tr -d '\n' | grep -qx ':13 :13 :9 :9 '"
fails port_taken 1 'discard: port 9/tcp: Address already in use' inetd discard
says other_port '' inetd echo:8888
expect echo_udp_other_port test "$(printf 'hello!' | host timeout 5 nc -u -w 1 10.0.0.1 8888)" = 'hello!'
expect echo_tcp_other_port test "$(echo 'echo!' | host timeout 5 nc -N 10.0.0.1 8888)" = 'echo!'
fails other_port_range 2 "bad port '0'" inetd echo:0
fails service_prefix 2 'unknown service ech' inetd ech
says rest '' inetd echo chargen
expect are_jobs seen 'inetd' ctl jobs

head -c 500000 /dev/urandom >"$DIR/file"
host timeout 20 nc -N 10.0.0.1 7 <"$DIR/file" >"$DIR/echoed"
expect echo_tcp cmp "$DIR/file" "$DIR/echoed"
host timeout 20 nc -N 10.0.0.1 9 <"$DIR/file" >"$DIR/nothing"
expect discard_tcp test ! -s "$DIR/nothing"
expect daytime_tcp seen '^[A-Z][a-z]+day, [A-Z][a-z]+ [0-9]+, 20[0-9][0-9] [0-9:]{8}-UTC' host timeout 5 nc 10.0.0.1 13
host timeout 5 nc 10.0.0.1 19 </dev/null | head -n 96 >"$DIR/lines"
expect chargen_line grep -Fqx "$(printf ' !"#$%%&%s()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r' "'")" "$DIR/lines"
expect chargen_turns test "$(sed -n 1p "$DIR/lines")" = "$(sed -n 96p "$DIR/lines")"

host timeout 5 nc -N 10.0.0.1 19 </dev/null | head -c 100000 >"$DIR/lines"
expect chargen_after_half_close test "$(stat -c %s "$DIR/lines")" = 100000

cat >"$DIR/udp.py" <<'PY'
import socket, sys
def ask(port, data, source=0, wait=10):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("10.0.0.2", source))
    s.settimeout(wait)
    s.sendto(data, ("10.0.0.1", port))
    try:
        return s.recv(65536)
    except socket.timeout:
        return None
big = (bytes(range(256)) * 256)[:65507]
assert ask(7, b"hello") == b"hello"
assert ask(7, b"") == b""
assert ask(7, big) == big
assert ask(9, b"x", 0, 0.3) is None
assert b"day, " in ask(13, b"")
assert len(ask(19, b"x")) == 74
assert ask(7, b"loop", 1007, 0.3) is None
assert ask(7, b"loop", 1024) == b"loop"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("10.0.0.1", 9999))
s.send(b"x")
try:
    sys.exit(s.recv(1))
except ConnectionRefusedError:
    pass
PY
expect udp_services host python3 "$DIR/udp.py"

fails httpd_port 2 "bad port '70000'" httpd 70000
fails httpd_port_0 2 "bad port '0'" httpd 0
says httpd '' httpd 8080
fails httpd_taken 1 'port 8080: Address already in use' httpd 8080
url=http://10.0.0.1:8080
expect hello seen '^Hello from weft' host curl -s --max-time 5 $url/hello
expect head bash -c "ip netns exec $NS curl -sI --max-time 5 $url/bytes/1000 | grep -q 'Content-Length: 1000'"
expect not_found test "$(host curl -s -o /dev/null -w '%{http_code}' $url/foo)" = 404
expect post test "$(host curl -s -o /dev/null -w '%{http_code}' -d x=1 $url/hello)" = 405
expect long_url test "$(host curl -s -o /dev/null -w '%{http_code}' "$url/$(printf '%2000s' '' | tr ' ' a)")" = 414
expect bytes_not_a_number test "$(host curl -s -o /dev/null -w '%{http_code}' $url/bytes/1x)" = 404
expect bytes_none test "$(host curl -s -o /dev/null -w '%{http_code} %{size_download}' $url/bytes/0)" = '200 0'
expect reuses_connection test "$(host curl -s -o /dev/null -w '%{num_connects}' $url/hello -o /dev/null $url/hello)" = 10
cat >"$DIR/http.py" <<'PY'
import socket
def talk(data, step=None):
    s = socket.create_connection(("10.0.0.1", 8080))
    s.settimeout(10)
    for i in range(0, len(data), step or len(data)):
        s.sendall(data[i:i + (step or len(data))])
    got = b""
    while True:
        part = s.recv(65536)
        if not part:
            return got
        got += part
close = b"Connection: close\r\n\r\n"
one = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
last = b"GET /bytes/123456 HTTP/1.1\r\nHost: x\r\n" + close
digits = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
got = talk(one * 3 + last)
assert got.count(b"HTTP/1.1 200 OK") == 4 and got.count(b"Hello from weft") == 3, got[:500]
assert got.endswith((digits * 2100)[:123456])
assert talk(last, 1).startswith(b"HTTP/1.1 200 OK")
assert b"Connection: close" in talk(b"GET /hello HTTP/1.0\r\n\r\n")
keep = talk(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n")
assert keep.count(b"200 OK") == 2
for bad in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET /hello HTTP/9.9x\r\n\r\n", b"foo bar baz\r\n\r\n"):
    assert talk(bad).startswith(b"HTTP/1.1 400 "), (bad, talk(bad))
assert talk(b"GET /hello HTTP/1.1\r\nX: " + b"y" * 200000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
assert talk(b"DELETE /hello HTTP/1.1\r\nHost: x\r\n" + close).startswith(b"HTTP/1.1 405 ")
PY
expect requests_good_and_bad host python3 "$DIR/http.py"
expect goes_on_answering seen '^Hello' host curl -s --max-time 5 $url/hello

ctl jobs | awk '/inetd|httpd/ { print $1 }' | while read -r id; do ctl kill "$id"; done
expect sockets_closed until_true 10 sh -c "'$WEFT' ctl --control '$DIR/control' stat | grep -Eq '^sockets +0 '"
expect weft_ends weft_down
exit $failed
