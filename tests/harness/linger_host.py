"""At the host's end, for run_linger.py: keeps connections unread; one that says `r` and a peer's port has that one read to its
end.  Argument: a port."""
import socket
import sys

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
listener.bind(("", int(sys.argv[1])))
listener.listen(8)
kept = {}


def all_of(s, n):
	got = b""
	while len(got) < n:
		more = s.recv(n - len(got))
		if not more:
			break
		got += more
	return got


while True:
	s, peer = listener.accept()
	s.settimeout(10)
	first = all_of(s, 5)
	if not first.startswith(b"r"):
		kept[int(first)] = s
		continue
	it = kept.pop(int(all_of(s, 5)))
	n = 5
	while True:
		more = it.recv(1000000)
		if not more:
			break
		n += len(more)
	print(n, flush=True)
	s.sendall(b"!")
	s.close()
