"""Under `weft run`: close() with SO_LINGER and a time.  Arguments: host and port of tests/harness/linger_host.py, an echo
server of weft's, `waits` or `goes`: does close() wait here (the library), or is it the kernel's (notified calls)?"""
import os
import select
import socket
import struct
import sys
import threading
import time

WHERE, ECHO, WAITS = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], 7), sys.argv[4] == "waits"
MANY = 3000000  # more than a peer takes that does not read


def connection(seconds, most=MANY):
	"""Full of bytes; the host reads it when told."""
	s = socket.create_connection(WHERE)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
	assert s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, seconds)
	s.sendall(b"%5d" % s.getsockname()[1])
	s.setblocking(False)
	n = 5
	try:
		while n < most:
			n += s.send(b"x" * min(65536, most - n))
	except BlockingIOError:
		pass
	return s, n


def told(s):
	"""Has the host read what this connection sends?"""
	port = s.getsockname()[1]

	def tell():
		with socket.create_connection(WHERE) as c:
			c.sendall(b"r%4d" % 0 + b"%5d" % port)
			c.recv(1)
	return tell


def closed(s):
	before = time.monotonic()
	s.close()
	return time.monotonic() - before


def echoes():
	with socket.create_connection(ECHO, 3) as c:
		c.sendall(b"over")
		assert c.recv(4) == b"over"


def until_read():
	s, n = connection(20)
	timer = threading.Timer(1, told(s))
	timer.start()
	others = threading.Timer(0.3, echoes)
	others.start()
	took = closed(s)
	assert (0.8 < took < 15) if WAITS else took < 0.5, took
	timer.join()
	others.join()


def until_the_time_is_over():
	s, n = connection(1)
	took = closed(s)
	assert (0.9 < took < 5) if WAITS else took < 0.5, took
	echoes()


def others_go_on():
	"""What is not acknowledged is all in the stack."""
	s, n = connection(5, 60000)
	failed = []

	def other():
		try:
			echoes()
		except OSError as e:
			failed.append(e)
	timer = threading.Timer(0.5, other)
	timer.start()
	took = closed(s)
	assert (4 < took < 10) if WAITS else took < 0.5, took
	timer.join()
	assert not failed, failed


def not_the_last():
	s, n = connection(20)
	again = s.dup()
	assert closed(s) < 0.5
	again.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
	assert closed(again) < 0.5


def closed_by(how):
	"""Its last descriptor goes by another call than close()."""
	s, n = connection(1)
	fd = s.detach()
	before = time.monotonic()
	how(fd)
	took = time.monotonic() - before
	assert (0.9 < took < 5) if WAITS else took < 0.5, took


def by_other_calls():
	null = os.open("/dev/null", os.O_RDWR)

	def by_fclose(fd):
		import ctypes
		libc = ctypes.CDLL(None)
		libc.fdopen.restype = ctypes.c_void_p
		assert libc.fclose(ctypes.c_void_p(libc.fdopen(fd, b"r"))) == 0
	closed_by(lambda fd: os.dup2(null, fd, True))
	closed_by(lambda fd: os.dup2(null, fd, False))
	closed_by(by_fclose)


def everything_is_there():
	s = socket.create_connection(ECHO)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
	s.sendall(b"over")
	assert s.recv(4) == b"over"
	assert closed(s) < 0.5


def accepted():
	"""From the listener."""
	listener = socket.socket()
	listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1))
	listener.bind((ECHO[0], 0))
	listener.listen()
	client = socket.create_connection(listener.getsockname())
	child, _ = listener.accept()
	assert child.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 1)
	child.setblocking(False)
	while select.select([], [child], [], 0.5)[1]:  # until nobody on the way takes more
		child.send(b"x" * 65536)
	took = closed(child)
	assert (0.9 < took < 5) if WAITS else took < 0.5, took
	client.close()


def ended():
	"""Who ends without a close does not wait."""
	before = time.monotonic()
	pid = os.fork()
	if pid == 0:
		kept = connection(20)
		os._exit(len(kept) != 2)
	assert os.waitpid(pid, 0)[1] == 0
	assert time.monotonic() - before < 10


until_read()
until_the_time_is_over()
others_go_on()
not_the_last()
by_other_calls()
everything_is_there()
accepted()
ended()
