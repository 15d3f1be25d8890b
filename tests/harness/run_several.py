"""Under `weft run`: recvmmsg() with room for names has its time, and says what is left of it; sendmmsg() ends at
what was sent in part."""
import ctypes
import errno
import socket


class Vector(ctypes.Structure):
	_fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Message(ctypes.Structure):
	_fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(Vector)), ("iovlen", ctypes.c_size_t),
		("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int), ("pad", ctypes.c_uint),
		("got", ctypes.c_uint)]


class Time(ctypes.Structure):
	_fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]


libc = ctypes.CDLL(None, use_errno=True)
a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
a.bind(("127.0.0.1", 0))
names = [ctypes.create_string_buffer(16) for _ in range(2)]
rooms = [ctypes.create_string_buffer(10) for _ in range(2)]
vectors = [Vector(ctypes.addressof(r), 10) for r in rooms]
messages = (Message * 2)(*[Message(ctypes.addressof(n), 16, ctypes.pointer(v), 1) for n, v in zip(names, vectors)])


def several(n, time):
	return libc.recvmmsg(a.fileno(), messages, n, 0, ctypes.byref(time))


for _ in range(2):
	b.sendto(b"text", a.getsockname())
time = Time(5, 0)
assert several(2, time) == 2
assert [m.got for m in messages] == [4, 4]
assert (time.s, 0 < time.ns < 10**9) == (4, True), (time.s, time.ns)
b.sendto(b"text", a.getsockname())
time = Time(0, 1)
assert several(2, time) == 1  # it is over after the first
assert (time.s, time.ns) == (0, 0), (time.s, time.ns)
for wrong in Time(-1, 0), Time(0, 10**9):
	assert several(2, wrong) == -1 and ctypes.get_errno() == errno.EINVAL

# A stream that took a message in part takes none behind it.
server = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(server.getsockname())
c.setblocking(False)
large = ctypes.create_string_buffer(64 << 20)
parts = [Vector(ctypes.addressof(large), len(large)), Vector(ctypes.addressof(large), 0)]
messages = (Message * 2)(*[Message(None, 0, ctypes.pointer(v), 1) for v in parts])
assert libc.sendmmsg(c.fileno(), messages, 2, 0) == 1
assert 0 < messages[0].got < len(large), messages[0].got
