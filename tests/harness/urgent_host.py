"""At the host's end, for run_urgent.py: one connection, whose urgent byte it looks for and answers with another.  Argument: a port."""
import array
import fcntl
import select
import socket
import sys

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("", int(sys.argv[1])))
listener.listen()
while True:
	s, _ = listener.accept()
	s.settimeout(10)
	p = select.poll()
	p.register(s, select.POLLPRI)
	assert p.poll(10000)
	got = b""
	while len(got) < 4:
		got += s.recv(100)
	at = array.array("i", [0])
	fcntl.ioctl(s.fileno(), 0x8905, at)
	urgent = s.recv(1, socket.MSG_OOB)
	more = b""
	while len(more) < 4:
		more += s.recv(100)
	seen = (got, bool(at[0]), urgent, more)
	print(seen, flush=True)
	s.sendall(b"ok" if seen == (b"text", True, b"U", b"more") else b"no")
	s.sendall(b"reply")
	s.send(b"V", socket.MSG_OOB)
	s.sendall(b"end")
	s.close()
