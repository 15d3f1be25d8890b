"""Under `weft run`: control messages and the error queue of datagram sockets; the other end, and a port of its that is closed, are arguments."""
import errno
import select
import socket
import struct
import sys
import time

HOST, PORT, CLOSED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_PKTINFO = 11, 12, 13, 8
SO_TIMESTAMPNS = 35
MSG_ERRQUEUE = socket.MSG_ERRQUEUE


def udp():
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(10)
	return s


def controls(ancillary):
	return {(level, kind): data for level, kind, data in ancillary}


def received():
	s = udp()
	for name in IP_RECVTTL, IP_RECVTOS, IP_PKTINFO:
		s.setsockopt(socket.IPPROTO_IP, name, 1)
	s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
	s.sendto(b"one", (HOST, PORT))
	data, ancillary, flags, sender = s.recvmsg(100, 1000)
	got = controls(ancillary)
	assert (data, sender, flags) == (b"one", (HOST, PORT), 0), (data, sender, flags)
	assert struct.unpack("i", got[0, socket.IP_TTL]) == (64,), got
	assert got[0, socket.IP_TOS] == b"\0", got
	index, spec, to = struct.unpack("i4s4s", got[0, IP_PKTINFO])
	assert index > 0 and spec == to, got
	seconds, nanoseconds = struct.unpack("qq", got[socket.SOL_SOCKET, SO_TIMESTAMPNS])
	assert abs(seconds + nanoseconds / 1e9 - time.time()) < 20, got
	s.sendto(b"two", (HOST, PORT))
	assert s.recv(100) == b"two"  # whoever does not ask is not told
	s.sendto(b"three", (HOST, PORT))
	assert s.recvfrom(100) == (b"three", (HOST, PORT))
	s.sendto(b"four", (HOST, PORT))
	data, ancillary, flags, sender = s.recvmsg(100, socket.CMSG_SPACE(16))
	assert data == b"four" and flags & socket.MSG_CTRUNC, (data, flags, ancillary)
	assert not any(level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS for level, kind, _ in ancillary)


def sent():
	"""A TTL and a TOS of one datagram come back by the sender's own ear."""
	a, b = udp(), udp()
	a.bind(("127.0.0.1", 0))
	for name in IP_RECVTTL, IP_RECVTOS:
		a.setsockopt(socket.IPPROTO_IP, name, 1)
	control = [(0, socket.IP_TTL, struct.pack("i", 33)), (0, socket.IP_TOS, struct.pack("i", 0x10))]
	b.sendmsg([b"to ", b"one"], control, 0, a.getsockname())
	data, ancillary, _, sender = a.recvmsg(100, 1000)
	got = controls(ancillary)
	assert data == b"to one" and sender == ("127.0.0.1", b.getsockname()[1]), (data, sender)
	assert struct.unpack("i", got[0, socket.IP_TTL]) == (33,) and got[0, socket.IP_TOS] == b"\x10", got
	b.connect(a.getsockname())
	b.sendmsg([b"connected"], control)
	assert a.recvmsg(100, 1000)[0] == b"connected"
	try:
		udp().sendmsg([b"x"], control)
		raise AssertionError("sent to nobody")
	except OSError as e:
		assert e.errno == errno.EDESTADDRREQ, e


def refused(connected):
	"""The queue tells the cause, who said so, and what was quoted; poll() shows it."""
	s = udp()
	s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
	s.setblocking(False)
	try:
		s.recvmsg(100, 1000, MSG_ERRQUEUE)
		raise AssertionError("an error before there was one")
	except BlockingIOError:
		s.settimeout(10)
	if connected:
		s.connect((HOST, CLOSED))
		s.send(b"nobody there")
	else:
		s.sendto(b"nobody there", (HOST, CLOSED))
	p = select.poll()
	p.register(s, select.POLLIN)
	events = p.poll(10000)
	assert events and events[0][1] & select.POLLERR, events
	data, ancillary, flags, to = s.recvmsg(100, 1000, MSG_ERRQUEUE)
	error = controls(ancillary)[0, IP_RECVERR]
	number, origin, kind, code = struct.unpack_from("IBBB", error)
	assert (number, origin, kind, code) == (errno.ECONNREFUSED, 2, 3, 3), (number, origin, kind, code)
	assert socket.inet_ntoa(error[20:24]) == HOST, error
	assert (data, to) == (b"nobody there", (HOST, CLOSED)), (data, to)
	assert flags & MSG_ERRQUEUE, flags
	e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
	assert e == 0, e
	if connected:
		return
	for _ in range(3):  # and it still is a socket
		s.sendto(b"after", (HOST, PORT))
		assert s.recvfrom(100) == (b"after", (HOST, PORT))
	s.sendto(b"again", (HOST, CLOSED))
	try:
		s.recvfrom(100)
		raise AssertionError("an answer")
	except ConnectionRefusedError:
		pass
	assert s.recvmsg(100, 1000, MSG_ERRQUEUE)[0] == b"again"
	s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 0)
	s.sendto(b"deaf", (HOST, CLOSED))
	s.sendto(b"last", (HOST, PORT))
	assert s.recvfrom(100) == (b"last", (HOST, PORT))


def unwritable():
	"""An error whose quotation has nowhere to go."""
	import ctypes
	libc = ctypes.CDLL(None, use_errno=True)
	s = udp()
	s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
	s.connect((HOST, CLOSED))
	s.send(b"nobody there")
	p = select.poll()
	p.register(s, 0)
	assert p.poll(10000)
	n = libc.recvfrom(s.fileno(), ctypes.c_void_p(8), 10, MSG_ERRQUEUE, None, None)
	assert n == -1 and ctypes.get_errno() == errno.EFAULT, (n, ctypes.get_errno())


received()
sent()
unwritable()
refused(True)
refused(False)
