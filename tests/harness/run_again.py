"""Under `weft run`: sockets that are connected anew, shut, refused.  Arguments: an echo server of weft's, a closed port there, and
which of the functions below, none for all."""
import errno
import select
import socket
import struct
import sys

HOST, PORT, CLOSED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
AF_UNSPEC = socket.AF_UNSPEC


def error_of(call, *args):
	try:
		call(*args)
	except OSError as e:
		return e.errno
	return 0


def echoes(s, text):
	s.settimeout(10)
	s.sendall(text)
	got = b""
	while len(got) < len(text):
		got += s.recv(100)
	assert got == text, got


def leave(s):
	"""connect(AF_UNSPEC), for which python has no address."""
	import ctypes
	libc = ctypes.CDLL(None, use_errno=True)
	address = struct.pack("H14x", AF_UNSPEC)
	assert libc.connect(s.fileno(), address, len(address)) == 0, ctypes.get_errno()


def options(s):
	assert s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 2
	return [s.getsockopt(*o) for o in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
		(socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.IPPROTO_IP, socket.IP_TTL))]


def made():
	s = socket.socket()
	s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
	s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
	s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 33)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2)
	return s


def connected_anew():
	s = made()
	s.bind(("", 7777))
	port = s.getsockname()[1]
	for _ in range(3):
		s.connect((HOST, PORT))
		assert error_of(s.connect, (HOST, PORT)) == errno.EISCONN
		echoes(s, b"over and over")
		s.settimeout(None)
		leave(s)
		assert error_of(s.getpeername) == errno.ENOTCONN
		assert options(s) == [1, 77, 1, 33], options(s)
		assert s.getsockname()[1] == port, s.getsockname()
	leave(s)  # nothing to leave
	listener = socket.socket()
	listener.bind(("127.0.0.1", 0))
	listener.listen()
	client = socket.create_connection(listener.getsockname())
	child, _ = listener.accept()
	leave(child)
	child.connect((HOST, PORT))
	echoes(child, b"accepted once")
	client.settimeout(10)
	assert error_of(client.recv, 10) == errno.ECONNRESET


def refused_first():
	for blocking in True, False:
		s = made()
		s.setblocking(blocking)
		poll = select.epoll()
		poll.register(s, select.EPOLLIN | select.EPOLLOUT)
		e = s.connect_ex((HOST, CLOSED))
		if not blocking:
			assert e == errno.EINPROGRESS, e
			assert poll.poll(10)
			e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
		assert e == errno.ECONNREFUSED, e
		assert options(s) == [1, 77, 1, 33], options(s)
		s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 78)
		e = s.connect_ex((HOST, PORT))
		assert e == (0 if blocking else errno.EINPROGRESS), e
		events = poll.poll(10)
		assert events == [(s.fileno(), select.EPOLLOUT)], events
		assert options(s) == [1, 78, 1, 33], options(s)
		echoes(s, b"at last")


def listens_after_refusal():
	for bound in False, True:
		s = made()
		if bound:
			s.bind(("127.0.0.1", 4747))
		assert s.connect_ex(("127.0.0.1" if bound else HOST, CLOSED)) == errno.ECONNREFUSED
		s.listen(1)
		assert options(s) == [1, 77, 1, 33], options(s)
		assert s.getsockname() == ("127.0.0.1", 4747) if bound else s.getsockname()[0] == "0.0.0.0"
		client = socket.create_connection(("127.0.0.1", s.getsockname()[1]))
		child, peer = s.accept()
		assert peer == client.getsockname()
		child.send(b"over")
		assert client.recv(9) == b"over"


def duplicates():
	"""All of the process's, with their flags and what watches them; a child's are what they were."""
	import fcntl
	import os
	s = made()
	s.connect((HOST, PORT))
	twin = s.dup()
	child = os.fork()
	if child == 0:
		os._exit(0 if select.select([s], [], [], 10)[0] and error_of(s.recv, 1) == errno.ECONNRESET else 1)
	os.set_inheritable(twin.fileno(), True)
	poll = select.epoll()
	for fd, events in (s, select.EPOLLIN | select.EPOLLOUT), (twin, select.EPOLLIN | select.EPOLLET):
		poll.register(fd, events)
	while not select.select([], [s], [], 0)[1]:
		pass
	leave(twin)
	assert error_of(s.getpeername) == error_of(twin.getpeername) == errno.ENOTCONN
	assert fcntl.fcntl(s, fcntl.F_GETFD) == fcntl.FD_CLOEXEC and fcntl.fcntl(twin, fcntl.F_GETFD) == 0
	assert os.waitpid(child, 0)[1] == 0
	s.connect((HOST, PORT))
	assert twin.getpeername() == s.getpeername() and options(twin) == options(s) == [1, 77, 1, 33]
	twin.sendall(b"by both")
	seen = set()
	while len(seen) < 2:
		seen |= {fd for fd, events in poll.poll(10) if events & select.EPOLLIN}
	poll.modify(twin, 0)  # by number: it is its registration
	assert poll.poll(10) == [(s.fileno(), select.EPOLLIN | select.EPOLLOUT)]
	assert s.recv(10) == b"by both"
	poll.unregister(s)
	poll.unregister(twin)
	s.close()
	echoes(twin, b"still there")


def closed_meanwhile():
	"""By another thread, for a file that gets the number: it stays.  Long walks of /proc give it the time."""
	import os
	import stat
	import threading
	import time
	sys.setswitchinterval(1e-5)
	held = [os.open("/dev/null", os.O_RDONLY) for _ in range(300)]
	replaced = 0

	def reopen(twin, at):
		while time.monotonic() < at:
			pass
		os.close(twin)
		held.append(os.open("/dev/null", os.O_RDONLY))

	for i in range(400):
		s = socket.create_connection((HOST, PORT))
		other = threading.Thread(target=reopen, args=(s.dup().detach(), time.monotonic() + i * 0.00001))
		other.start()
		leave(s)
		other.join()
		replaced += not stat.S_ISCHR(os.fstat(held[-1]).st_mode)
	for fd in held:
		os.close(fd)
	sys.setswitchinterval(0.005)
	assert replaced <= 1, replaced


def shut():
	s = socket.socket()
	assert error_of(s.shutdown, socket.SHUT_RDWR) == errno.ENOTCONN
	s.connect((HOST, PORT))
	echoes(s, b"not hurt")
	assert error_of(s.shutdown, 7) == errno.EINVAL
	s.shutdown(socket.SHUT_RDWR)
	u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	assert error_of(u.shutdown, socket.SHUT_RD) == errno.ENOTCONN


def over():
	"""Both ends have shut it."""
	listener = socket.socket()
	listener.bind(("127.0.0.1", 0))
	listener.listen()
	client = socket.create_connection(listener.getsockname())
	child, _ = listener.accept()
	client.shutdown(socket.SHUT_WR)
	assert child.recv(1) == b""
	child.shutdown(socket.SHUT_WR)
	assert client.recv(1) == b""
	for s in client, child:
		for _ in range(20):
			assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)[0] in (4, 5, 6, 7, 11)
			assert s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
			assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
			s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
			s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
			assert error_of(s.setsockopt, socket.IPPROTO_TCP, 9999, 1) == errno.ENOPROTOOPT


def told():
	"""Why a datagram was refused, by every call."""
	import os
	for call in (lambda s: s.recv(10), lambda s: os.read(s.fileno(), 10), lambda s: s.recvfrom(10),
			lambda s: s.recvmsg(10), lambda s: s.recv_into(bytearray(10)), lambda s: s.recvmsg(10, 100)):
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.connect((HOST, CLOSED))
		s.send(b"x")
		e = error_of(call, s)
		assert e == errno.ECONNREFUSED, e
		assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
	for call in lambda s: s.send(b"y"), lambda s: os.write(s.fileno(), b"y"):
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.connect((HOST, CLOSED))
		s.send(b"x")
		poll = select.poll()
		poll.register(s, 0)
		assert poll.poll(10000)
		e = error_of(call, s)
		assert e == errno.ECONNREFUSED, e


def only_six():
	"""With IPV6_V6ONLY beside AF_INET, whoever comes first."""
	for first, second in (socket.AF_INET6, socket.AF_INET), (socket.AF_INET, socket.AF_INET6):
		by = {}
		port = 0
		for family in first, second:
			s = by[family] = socket.socket(family)
			if family == socket.AF_INET6:
				s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
			s.bind(("", port))
			s.listen()
			port = s.getsockname()[1]
		assert by[socket.AF_INET6].getsockname() == ("::", port, 0, 0)
		assert by[socket.AF_INET].getsockname() == ("0.0.0.0", port)
		for only in 0, 1:
			s = socket.socket(socket.AF_INET6)
			s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
			assert error_of(s.bind, ("", port)) == errno.EADDRINUSE
		client = socket.create_connection(("127.0.0.1", port))
		assert by[socket.AF_INET].accept()[1] == client.getsockname()
		assert not select.select([by[socket.AF_INET6]], [], [], 0)[0]


for test in sys.argv[4:] or "connected_anew refused_first listens_after_refusal duplicates closed_meanwhile shut over told only_six".split():
	globals()[test]()
