"""Under `weft run`, both ends on weft: urgent data.  Arguments: weft's address; a port where the host listens (tests/harness/urgent_host.py)."""
import array
import errno
import fcntl
import select
import signal
import socket
import sys
import os

SIOCATMARK = 0x8905
HOST, PORT = sys.argv[2], int(sys.argv[3])
listener = socket.socket()
listener.bind((sys.argv[1], 0))
listener.listen(8)


def error_of(call, *args):
	try:
		call(*args)
	except OSError as e:
		return e.errno
	return 0


def at_mark(s):
	answer = array.array("i", [0])
	fcntl.ioctl(s.fileno(), SIOCATMARK, answer)
	return bool(answer[0])


def waits(s, events):
	"""Until the descriptor shows them."""
	p = select.poll()
	p.register(s, events)
	assert p.poll(10000), events


def pair(inline=False):
	listener.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
	a = socket.create_connection(listener.getsockname())
	b, peer = listener.accept()
	assert peer == a.getsockname()
	for s in a, b:
		s.settimeout(10)
	return a, b


def all_of(s, n):
	got = b""
	while len(got) < n:
		more = s.recv(n - len(got))
		assert more, got
		got += more
	return got


def out_of_line(a, b):
	"""The last byte of an urgent send stands beside the text; a read ends before it and goes on behind."""
	a.sendall(b"before")
	assert a.send(b"abc", socket.MSG_OOB) == 3
	a.sendall(b"behind")
	waits(b, select.POLLPRI)
	got = b.recv(1, socket.MSG_OOB | socket.MSG_PEEK)
	assert got == b"c", got
	assert not at_mark(b)
	assert all_of(b, 8) == b"beforeab"
	waits(b, select.POLLIN)
	assert at_mark(b)
	assert b.recv(1, socket.MSG_OOB) == b"c"
	assert error_of(b.recv, 1, socket.MSG_OOB) == errno.EINVAL
	assert all_of(b, 6) == b"behind"
	assert not at_mark(b)


def in_line(a, b):
	assert b.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE) == 1
	a.sendall(b"one")
	assert a.send(b"X", socket.MSG_OOB) == 1
	a.sendall(b"two")
	waits(b, select.POLLPRI)
	assert error_of(b.recv, 1, socket.MSG_OOB) == errno.EINVAL
	assert b.recv(100) == b"one"
	assert at_mark(b)
	assert all_of(b, 4) == b"Xtwo"


def first_and_last(a, b):
	"""Nothing before it, nothing behind it; twice; then the end."""
	for byte in b"Q", b"R":
		assert a.send(byte, socket.MSG_OOB) == 1
		waits(b, select.POLLPRI)
		assert at_mark(b)
		assert b.recv(1, socket.MSG_OOB) == byte
	a.sendall(b"text")
	assert all_of(b, 4) == b"text"
	a.close()
	assert b.recv(1) == b""


def among_many(a, b):
	"""A megabyte on each side of the mark: neither bytes nor the mark move."""
	import threading
	half = bytes(range(256)) * 4096
	b.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)

	def send():
		a.sendall(half)
		assert a.send(b"!", socket.MSG_OOB) == 1
		a.sendall(half)
		a.shutdown(socket.SHUT_WR)

	t = threading.Thread(target=send)
	t.start()
	got = b""
	marks = []
	while True:
		waits(b, select.POLLIN)  # then the mark is here, or the read ends before it
		if at_mark(b) and (not marks or marks[-1] != len(got)):
			marks.append(len(got))
		more = b.recv(70000)
		if not more:
			break
		got += more
	t.join()
	assert got == half + b"!" + half, len(got)
	assert marks == [len(half)], marks


def skipped(a, b):
	"""Who never asks does not see it, and ends as ever: no reset."""
	a.sendall(b"ab")
	a.send(b"!", socket.MSG_OOB)
	waits(b, select.POLLPRI)
	a.sendall(b"cd")
	assert all_of(b, 4) == b"abcd"
	b.close()
	assert a.recv(1) == b""


def unread(a, b):
	"""A close that leaves it unread is a reset."""
	a.send(b"!", socket.MSG_OOB)
	waits(b, select.POLLPRI)
	b.close()
	assert error_of(a.recv, 1) == errno.ECONNRESET


def signalled(a, b):
	told = []
	signal.signal(signal.SIGURG, lambda *_: told.append(1))
	fcntl.fcntl(b.fileno(), fcntl.F_SETOWN, os.getpid())
	a.send(b"!", socket.MSG_OOB)
	waits(b, select.POLLPRI)
	assert told
	assert b.recv(1, socket.MSG_OOB) == b"!"


def watched(a, b):
	with select.epoll() as p:
		p.register(b, select.EPOLLPRI)
		assert not p.poll(0)
		a.send(b"!", socket.MSG_OOB)
		assert p.poll(10) == [(b.fileno(), select.EPOLLPRI)]


def as_messages(a, b):
	assert a.sendmsg([b"x", b"y"], [], socket.MSG_OOB) == 2
	waits(b, select.POLLPRI)
	got, _, flags, _ = b.recvmsg(10, 100, socket.MSG_OOB)
	assert (got, flags) == (b"y", socket.MSG_OOB), (got, flags)
	assert all_of(b, 1) == b"x"


def with_the_host():
	"""It says what came where, and answers in kind."""
	s = socket.create_connection((HOST, PORT), 10)
	s.settimeout(10)
	s.sendall(b"text")
	s.send(b"U", socket.MSG_OOB)
	s.sendall(b"more")
	assert all_of(s, 2) == b"ok", "the host"
	waits(s, select.POLLPRI)
	assert all_of(s, 5) == b"reply"
	waits(s, select.POLLIN)
	assert at_mark(s)
	assert s.recv(1, socket.MSG_OOB) == b"V"
	assert all_of(s, 3) == b"end"
	assert s.recv(1) == b""


def refused():
	"""What carries nothing urgent says so."""
	u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	u.connect((sys.argv[1], 9))
	assert error_of(u.send, b"x", socket.MSG_OOB) == errno.EOPNOTSUPP
	assert error_of(u.sendto, b"x", socket.MSG_OOB, (sys.argv[1], 9)) == errno.EOPNOTSUPP


for way in 1, -1:
	out_of_line(*pair()[::way])
	first_and_last(*pair()[::way])
	among_many(*pair()[::way])
	skipped(*pair()[::way])
	unread(*pair()[::way])
	signalled(*pair()[::way])
	watched(*pair()[::way])
	as_messages(*pair()[::way])
in_line(*pair(True))
with_the_host()
refused()
