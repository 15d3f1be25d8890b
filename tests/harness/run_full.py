"""Under `weft run`, both ends on weft: who reads late finds every byte in its order and the end behind them; who never
reads has its peer reset.  Argument: weft's address."""
import hashlib
import select
import socket
import sys

listener = socket.socket()
listener.bind((sys.argv[1], 0))
listener.listen(8)


def pair():
	a = socket.create_connection(listener.getsockname())
	b, _ = listener.accept()
	for s in a, b:
		s.settimeout(10)
	return a, b


def blocks():
	"""Each tells its place."""
	n = 0
	while True:
		yield b"".join(b"%08d" % (n + i) for i in range(0, 8192, 8))
		n += 8192


def fill(a, source, sent):
	"""Until nothing more is taken for a while; what was is hashed.  How many bytes."""
	total, block = 0, b""
	p = select.poll()
	p.register(a, select.POLLOUT)
	a.setblocking(False)
	while p.poll(300):
		block = block or next(source)
		try:
			n = a.send(block)
		except BlockingIOError:
			continue
		sent.update(block[:n])
		total += n
		block = block[n:]
	a.settimeout(10)
	return total


def read_all(b, size):
	got = hashlib.sha256()
	total = 0
	while True:
		part = b.recv(size)
		if not part:
			return total, got.hexdigest()
		total += len(part)
		got.update(part)


for size in 100, 5000, 1 << 20:
	a, b = pair()
	sent = hashlib.sha256()
	total = fill(a, blocks(), sent)
	assert total > 1000000, total
	a.shutdown(socket.SHUT_WR)
	assert read_all(b, size) == (total, sent.hexdigest()), size
	b.sendall(b"answer")
	assert a.recv(100) == b"answer"
	a.close()
	b.close()

a, b = pair()
fill(a, blocks(), hashlib.sha256())
b.close()
try:
	assert a.recv(1) == b"x"
except ConnectionResetError:
	sys.exit(0)
sys.exit("no reset")
