# For `weft run`: names and options of a connected socket, as Linux has them.  Arguments: an echo server.
import errno
import select
import socket
import struct
import sys

host, port = sys.argv[1], int(sys.argv[2])
s = socket.socket()
assert s.getsockname() == ("0.0.0.0", 0), s.getsockname()
try:
    s.getpeername()
    raise AssertionError("a name without a peer")
except OSError as e:
    assert e.errno == errno.ENOTCONN, e
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
s.bind(("0.0.0.0", 0))
own = s.getsockname()[1]
assert own
s.connect((host, port))
assert s.getpeername() == (host, port), s.getpeername()
assert s.getsockname()[1] == own, s.getsockname()
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == socket.AF_INET
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
for level, name, value in ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 78), (socket.IPPROTO_IP, socket.IP_TTL, 44),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5)):
    s.setsockopt(level, name, value)
    assert s.getsockopt(level, name) == value, (level, name)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7))
assert struct.unpack("ii", s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 7)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
assert struct.unpack("ii", s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0] == 0
for wrong in 0, 40000:
    try:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, wrong)
        raise AssertionError(wrong)
    except OSError as e:
        assert e.errno == errno.EINVAL, e
info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
assert info[0] == 1, info[0]
s.sendall(b"x" * 100000)
got = b""
while len(got) < 100000:
    got += s.recv(100000)
assert got == b"x" * 100000
s.settimeout(0.05)
try:
    s.recv(1)
    raise AssertionError("a byte nobody sent")
except socket.timeout:
    pass
s.settimeout(None)
for where in None, ("0.0.0.0", 0):  # while it connects its own name is known
    c = socket.socket()
    c.setblocking(False)
    if where:
        c.bind(where)
    assert c.connect_ex((host, port)) == errno.EINPROGRESS
    while_connecting = c.getsockname()
    c.setblocking(True)
    assert select.select([], [c], [], 10)[1]
    assert while_connecting == c.getsockname() and while_connecting[0] != "0.0.0.0", while_connecting
    c.close()
SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING = 29, 35, 37  # linux/socket.h
SO_ZEROCOPY, TCP_INQ = 60, 36
for level, name in [(socket.SOL_SOCKET, n) for n in (SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING, SO_ZEROCOPY)] + [
        (socket.IPPROTO_TCP, TCP_INQ)]:
    try:
        s.setsockopt(level, name, 1)
        raise AssertionError("what never comes")
    except OSError as e:
        assert e.errno == errno.ENOPROTOOPT, e
s.shutdown(socket.SHUT_WR)
assert s.recv(1) == b""
try:
    s.setsockopt(socket.IPPROTO_TCP, 9999, 1)
    raise AssertionError("an option nobody knows")
except OSError as e:
    assert e.errno in (errno.ENOPROTOOPT, errno.EINVAL), e
for family, kind, proto in ((socket.AF_INET6, socket.SOCK_RAW, 58), (socket.AF_INET, socket.SOCK_STREAM, 132)):
    try:
        socket.socket(family, kind, proto)
        raise AssertionError("a socket of the host's")
    except OSError as e:
        assert e.errno == errno.EPROTONOSUPPORT, e
six = socket.socket(socket.AF_INET6)
six.connect(("::ffff:" + host, port))
assert six.getpeername()[:2] == ("::ffff:" + host, port), six.getpeername()
try:
    socket.socket(socket.AF_INET6).connect(("2001:db8::1", 9))
    raise AssertionError("IPv6 is there")
except OSError as e:
    assert e.errno == errno.ENETUNREACH, e
