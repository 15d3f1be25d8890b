#!/bin/bash
# `weft run`: UDP both ways, names looked up through the stack, the stack's interfaces.
. tests/harness/net.sh
need python3 curl nc getent
net_begin
weft_up -c 'inetd; httpd 80'

run() {
	timeout 30 "$WEFT" run --control "$DIR/control" -- "$@"
}

expect udp_client run python3 tests/harness/udp_echo.py 10.0.0.1 7 1 100 1472 1473 9000
echo over | run nc -u -w 1 10.0.0.1 7 >"$DIR/echoed"
expect udp_nc grep -qx over "$DIR/echoed"
expect udp_refused run python3 -c '
import errno, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.0.0.2", 9))
s.send(b"x")
s.settimeout(10)
try:
	s.recv(10)
	raise AssertionError("an answer")
except ConnectionRefusedError:
	pass
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0'
expect udp_refused_without_a_name run python3 -c '
import ctypes, errno, select, socket
libc = ctypes.CDLL(None, use_errno=True)
calls = (lambda fd: libc.recvfrom(fd, ctypes.create_string_buffer(9), 9, 0, None, None),
	lambda fd: libc.sendto(fd, b"x", 1, 0, None, 0))
for call in calls:
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.connect(("10.0.0.2", 9))
	s.send(b"x")
	p = select.poll()
	p.register(s, select.POLLIN)
	assert p.poll(10000)
	assert call(s.fileno()) == -1
	assert ctypes.get_errno() == errno.ECONNREFUSED, ctypes.get_errno()'
expect udp_several_in_time run python3 tests/harness/run_several.py
# More than the gateway takes in a turn, to somebody and connected: all go on.
sent() {
	ctl nstat -a | awk '$1 == "UdpOutDatagrams" { print $2 }'
}
before=$(sent)
run python3 -c '
import socket
s, c = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
c.connect(("10.0.0.1", 9))
for i in range(1000):
	s.sendto(b"x", ("10.0.0.1", 9))
	c.send(b"x")'
all_went() {
	[ $(($(sent) - before)) -ge 2000 ]
}
expect udp_burst_goes_on until_true 10 all_went
expect udp_connected_filters run python3 -c '
import socket
a, b, c = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
for s in a, b, c:
	s.bind(("10.0.0.1", 0))
	s.settimeout(10)
a.connect(b.getsockname())
c.sendto(b"other", a.getsockname())
b.sendto(b"peer", a.getsockname())
assert a.recvfrom(100) == (b"peer", b.getsockname())
assert a.getpeername() == b.getsockname()
a.send(b"back")
assert b.recvfrom(100) == (b"back", a.getsockname())'

"$WEFT" run --control "$DIR/control" -- python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5000))
while True:
	s.sendto(*s.recvfrom(70000))' &
server=$!
weft_listens 5000
expect udp_server host python3 tests/harness/udp_echo.py 10.0.0.1 5000 1 100 9000
expect udp_between_programs run python3 tests/harness/udp_echo.py 127.0.0.1 5000 1 100 9000
kill $server
wait $server 2>/dev/null
expect udp_socket_goes_with_its_process until_true 10 bash -c "! '$WEFT' ctl --control '$DIR/control' ss -lun | grep -q ':5000 '"

echo 'nameserver 10.0.0.2' >"$DIR/resolv.conf"
ip netns exec "$NS" python3 tests/harness/run_dns.py 10.0.0.2 10.0.0.1 &
host_listens 53
# with a resolv.conf of its own
# shellcheck disable=SC2016 # the inner shell's
named() {
	unshare -m sh -c 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && shift && exec "$@"' sh "$DIR/resolv.conf" \
		timeout 30 "$WEFT" run --control "$DIR/control" -- "$@"
}
expect name_in_curl named curl -sS --max-time 10 -o /dev/null http://www.test/hello
named getent hosts www.test >"$DIR/hosts"
expect name_in_getent grep -q '^10\.0\.0\.1 ' "$DIR/hosts"
expect name_in_python named python3 -c '
import socket
assert socket.gethostbyname("www.test") == "10.0.0.1"
assert socket.getaddrinfo("www.test", 80, type=socket.SOCK_STREAM)[0][4] == ("10.0.0.1", 80)
try:
	socket.getaddrinfo("www.none", 80)
	raise AssertionError("an address")
except socket.gaierror as e:
	assert e.errno == socket.EAI_NONAME, e
assert socket.getaddrinfo("localhost", "http", socket.AF_INET)[0][4] == ("127.0.0.1", 80)'
run python3 -c '
import fcntl, socket, struct
print(socket.if_nametoindex("tap0"), socket.if_indextoname(socket.if_nametoindex("lo")))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(socket.inet_ntoa(fcntl.ioctl(s, 0x8915, struct.pack("256s", b"tap0"))[20:24]))' >"$DIR/devices"
expect interface_address grep -qx '10\.0\.0\.1' "$DIR/devices"
expect interface_names grep -qE '^[0-9]+ lo$' "$DIR/devices"
expect interfaces run python3 tests/harness/run_devices.py
expect weft_ends weft_down
exit $failed
