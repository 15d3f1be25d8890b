#!/bin/bash
# `weft run`: what a send and a connect of a datagram socket answer at once is what the kernel answers.
. tests/harness/net.sh
need cc python3
net_begin
expect builds cc -D_GNU_SOURCE -o "$DIR/send" tests/harness/differ/send.c

run() {
	timeout 60 "$WEFT" run --control "$DIR/control" "$@"
}

# native FILE [default]: the kernel's answers, in a namespace that ends with the program.
# shellcheck disable=SC2016 # the inner shell's
native() {
	unshare -n bash -c '
		ip link set lo up
		ip link add tap0 type veth peer name peer0
		ip addr add 10.0.0.1/24 dev tap0 broadcast +
		ip link set tap0 up
		ip link set peer0 up
		for host in 2 77 78; do ip neigh add 10.0.0.$host lladdr 02:00:00:00:00:$host dev tap0; done
		[ -z "$2" ] || ip route add default via 10.0.0.2
		ip route add 198.51.100.0/24 via 10.0.0.2
		echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range
		exec timeout 60 "$1"' bash "$DIR/send" "$2" >"$1"
}

# What the kernel serves itself in a program that is notified: sends that name nobody, and what comes of them.
its_own=' (connected|then send|no address|send unconnected)'

# same NAME FILE FILE
same() {
	if [ -s "$2" ] && diff "$2" "$3" >"$DIR/differs"; then
		pass "$1"
	else
		head -n 20 "$DIR/differs" | sed 's/^/  | /'
		fail "$1" "weft answers otherwise than the kernel"
	fi
}

# with NAME [default]
with() {
	native "$DIR/native" "$2"
	run --mode preload -- "$DIR/send" >"$DIR/preload" 2>"$DIR/said"
	same "library_answers_as_the_kernel_$1" "$DIR/native" "$DIR/preload"
	run --mode notify -- "$DIR/send" >"$DIR/notify" 2>"$DIR/said"
	for answers in native notify; do
		grep -Ev "$its_own" "$DIR/$answers" >"$DIR/$answers.named"
	done
	same "notified_as_the_kernel_$1" "$DIR/native.named" "$DIR/notify.named"
}

weft_up
for host in 77 78; do ctl neigh add "10.0.0.$host" lladdr "02:00:00:00:00:$host" dev tap0; done
ctl route add 198.51.100.0/24 via 10.0.0.2
with without_a_way
ctl route add default via 10.0.0.2
with with_a_way default
ctl route del default

# Every option: what weft does not serve answers ENOPROTOOPT to who sets it, all else as the kernel does.  Not compared
# are sizes of buffers, the congestion control, TCP_INFO's size, the window's bound and Fast Open's key, which is made here sooner.
expect options_build cc -D_GNU_SOURCE -o "$DIR/options" tests/harness/differ/options.c
compared() {
	awk '$2 != "get:ENOPROTOOPT" { print $1, $2 }' "$1" >"$DIR/read"
	awk '$3 != "set1/4:ENOPROTOOPT" { print $1 }' "$1" >"$DIR/written"
	[ "$(wc -l <"$DIR/written")" -gt 60 ] || return 1
	awk 'FNR == 1 { file++ } file == 1 { known[$1] = 1; next } file == 2 { set[$1] = 1; next }
		$1 ~ /:(1\/[78]|6\/(10|11|13|33))$/ { next }
		$1 in set { print; next } $1 in known { print $1, $2 }' "$DIR/read" "$DIR/written" "$2" >"$2.compared"
}
# shellcheck disable=SC2016 # the inner shell's
native_of() {
	unshare -n sh -c 'echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range; exec "$1"' sh "$1"
}
native_of "$DIR/options" >"$DIR/native"
for mode in preload notify; do
	run --mode $mode -- "$DIR/options" >"$DIR/options.$mode" 2>"$DIR/said"
	expect "options_are_served_$mode" compared "$DIR/options.$mode" "$DIR/options.$mode"
	compared "$DIR/options.$mode" "$DIR/native"
	same "options_as_the_kernel_$mode" "$DIR/native.compared" "$DIR/options.$mode.compared"
done

# What was known is not when routes, path MTUs, options or the peer have changed.
changes='
import errno, socket, subprocess, sys

def ctl(*words):
	subprocess.run(sys.argv[1:] + list(words), check=True, stdout=subprocess.DEVNULL)

def answer(n, to):
	try:
		s.sendto(bytes(n), to)
		return 0
	except OSError as e:
		return e.errno

def refuses(error, n, to):
	got = answer(n, to)
	assert got == error, (error, n, to, got)
	assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
far, near = ("198.51.100.1", 9), ("10.0.0.77", 9)
for n in 100, 1400, 100, 1400:
	refuses(0, n, far)
ctl("route", "del", "198.51.100.0/24")
refuses(errno.ENETUNREACH, 100, far)
refuses(0, 100, near)
ctl("route", "add", "198.51.100.0/24", "via", "10.0.0.2", "mtu", "1000")
refuses(0, 1400, far)
s.setsockopt(socket.IPPROTO_IP, 10, 2) # IP_MTU_DISCOVER, DO
refuses(0, 900, far)
refuses(errno.EMSGSIZE, 1400, far)
refuses(0, 1400, near)
s.setsockopt(socket.IPPROTO_IP, 10, 1)
refuses(0, 1400, far)
wide = ("10.0.0.255", 9)
refuses(errno.EACCES, 10, wide)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
refuses(0, 10, wide)
refuses(0, 10, wide)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 0)
refuses(errno.EACCES, 10, wide)
s.connect(near)
refuses(0, 10, far)
s.shutdown(socket.SHUT_WR)
refuses(errno.EPIPE, 10, far)
ctl("route", "del", "198.51.100.0/24")
ctl("route", "add", "198.51.100.0/24", "via", "10.0.0.2")'
for mode in preload notify; do
	expect "changes_count_at_once_$mode" run --mode $mode -- python3 -c "$changes" "$WEFT" ctl --control "$DIR/control"
done

# What was asked about and what was not arrives in its order.
expect order_stays run --mode preload -- python3 -c '
import socket
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.settimeout(10)
a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1000000)
a.bind(("10.0.0.1", 0))
for i in range(200):
	b.sendto(b"%d" % i + bytes(i * i % 300), a.getsockname())
for i in range(200):
	assert a.recv(1000).rstrip(b"\0") == b"%d" % i, i'
# An option is for what is sent behind it.
expect options_stay_in_order run --mode preload -- python3 -c '
import socket, struct
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.settimeout(10)
a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1000000)
a.setsockopt(socket.IPPROTO_IP, 12, 1) # IP_RECVTTL
a.bind(("127.0.0.1", 0))
for i in range(1, 200):
	b.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, i)
	b.sendto(b"x", a.getsockname())
	b.sendto(b"y", a.getsockname())
for i in range(1, 200):
	for data in b"x", b"y":
		got, control, _, _ = a.recvmsg(10, 100)
		assert got == data and struct.unpack("i", control[0][2]) == (i,), (i, got, control)'
# Without a descriptor to ask by it is sent all the same.
expect sent_without_descriptors run --mode preload -- python3 -c '
import resource, socket
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.settimeout(10)
a.bind(("0.0.0.0", 0))
b.sendto(b"known", ("127.0.0.1", a.getsockname()[1]))
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
b.sendto(b"unknown", ("127.0.0.2", a.getsockname()[1]))
assert [a.recv(10), a.recv(10)] == [b"known", b"unknown"]'
# What cannot be read the library does not read.
expect nothing_to_read_is_efault run --mode preload -- python3 -c '
import ctypes, errno, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
to = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + b"\0\7\x7f\0\0\1" + bytes(8), 16)
for protocol in socket.IPPROTO_UDP, socket.IPPROTO_ICMP:
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol)
	header = ctypes.create_string_buffer(struct.pack("PIPNPNi", ctypes.addressof(to), 16, 0, 0, 0, 24, 0))
	for r in libc.sendto(s.fileno(), None, 64, 0, to, 16), libc.sendmsg(s.fileno(), header, 0):
		assert r == -1 and ctypes.get_errno() == errno.EFAULT, (protocol, r, ctypes.get_errno())'
# To 0.0.0.0 is to this host, and its answers come from there.
expect to_any_is_to_oneself run -- python3 -c '
import socket
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
for s in a, b:
	s.settimeout(10)
a.bind(("127.0.0.1", 0))
b.connect(("0.0.0.0", a.getsockname()[1]))
b.send(b"over")
data, sender = a.recvfrom(10)
a.sendto(b"back", sender)
assert b.recv(10) == b"back" and b.getpeername() == a.getsockname()'
expect weft_ends weft_down
exit $failed
