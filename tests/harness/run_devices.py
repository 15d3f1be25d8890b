"""Under `weft run`: the interfaces are the stack's, by every way to ask for them."""
import ctypes
import errno
import fcntl
import socket
import struct


class Ifaddrs(ctypes.Structure):
	pass


Ifaddrs._fields_ = [("next", ctypes.POINTER(Ifaddrs)), ("name", ctypes.c_char_p), ("flags", ctypes.c_uint),
	("addr", ctypes.c_void_p), ("mask", ctypes.c_void_p), ("broadcast", ctypes.c_void_p), ("data", ctypes.c_void_p)]
UP, BROADCAST, LOOPBACK, RUNNING = 1, 2, 8, 64
libc = ctypes.CDLL(None, use_errno=True)


def ip(address):
	return socket.inet_ntoa(ctypes.string_at(address + 4, 4)) if address else None


def listed():
	first = ctypes.POINTER(Ifaddrs)()
	assert libc.getifaddrs(ctypes.byref(first)) == 0
	found, p = {}, first
	while p:
		i = p.contents
		found[i.name.decode()] = (i.flags, ip(i.addr), ip(i.mask), ip(i.broadcast))
		p = i.next
	libc.freeifaddrs(first)
	return found


found = listed()
assert set(found) == {"lo", "tap0"}, found
flags, address, mask, broadcast = found["tap0"]
assert (address, mask, broadcast) == ("10.0.0.1", "255.255.255.0", "10.0.0.255"), found
assert flags & (UP | BROADCAST | RUNNING | LOOPBACK) == UP | BROADCAST | RUNNING, flags
assert found["lo"][0] & LOOPBACK and found["lo"][1] == "127.0.0.1", found

index = socket.if_nametoindex("tap0")
assert socket.if_indextoname(index) == "tap0"
for call, what in (socket.if_nametoindex, "eth77"), (socket.if_indextoname, 9999):
	try:
		call(what)
		raise AssertionError(what)
	except OSError:
		pass

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def asked(request, name=b"tap0"):
	return fcntl.ioctl(s, request, struct.pack("16s240x", name))[16:]


assert asked(0x8915)[4:8] == socket.inet_aton("10.0.0.1")  # SIOCGIFADDR
assert asked(0x891b)[4:8] == socket.inet_aton("255.255.255.0")  # SIOCGIFNETMASK
assert asked(0x8919)[4:8] == socket.inet_aton("10.0.0.255")  # SIOCGIFBRDADDR
assert struct.unpack("h", asked(0x8913)[:2])[0] & UP  # SIOCGIFFLAGS
assert struct.unpack("i", asked(0x8921)[:4]) == (1500,)  # SIOCGIFMTU
assert struct.unpack("i", asked(0x8933)[:4]) == (index,)  # SIOCGIFINDEX
assert struct.unpack("H", asked(0x8927)[:2]) == (1,) and any(asked(0x8927)[2:8])  # SIOCGIFHWADDR
assert fcntl.ioctl(s, 0x8910, struct.pack("16si236x", b"", index))[:5] == b"tap0\0"  # SIOCGIFNAME
room = ctypes.create_string_buffer(40 * 8)
conf = fcntl.ioctl(s, 0x8912, struct.pack("iP", len(room), ctypes.addressof(room)))  # SIOCGIFCONF
size = struct.unpack_from("i", conf)[0]
names = {room.raw[i:i + 16].rstrip(b"\0") for i in range(0, size, 40)}
assert names == {b"lo", b"tap0"}, names
try:
	asked(0x8915, b"eth77")
	raise AssertionError("an interface of nobody's")
except OSError as e:
	assert e.errno == errno.ENODEV, e
assert set(dict((name, number) for number, name in socket.if_nameindex())) == {"lo", "tap0"}
