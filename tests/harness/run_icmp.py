"""Under `weft run`: an own ping by an ICMP datagram socket and by a raw one; the host is an argument."""
import socket
import struct
import sys

HOST = sys.argv[1]


def checksum(data):
	total = sum(struct.unpack(f"!{len(data) // 2}H", data))
	while total >> 16:
		total = (total & 0xffff) + (total >> 16)
	return ~total & 0xffff


def echo(identifier, sequence):
	body = b"some bytes of mine, an even number"
	head = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence)
	return struct.pack("!BBHHH", 8, 0, checksum(head + body), identifier, sequence) + body


def datagram():
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
	s.settimeout(10)
	assert s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_DGRAM
	assert s.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_ICMP
	s.bind(("", 4711))
	for sequence in range(5):
		s.sendto(echo(0, sequence), (HOST, 0))
		data, sender = s.recvfrom(1000)
		assert sender == (HOST, 0), sender
		assert struct.unpack("!BBHHH", data[:8])[::2] == (0, checksum(b"\0\0\0\0" + data[4:]), sequence), data
		assert struct.unpack("!H", data[4:6]) == (4711,), data
	s.connect((HOST, 0))
	s.send(echo(0, 9))
	assert s.recv(1000)[6:8] == b"\0\x09"


def raw():
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
	s.settimeout(10)
	assert s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_RAW
	s.sendto(echo(1234, 1), (HOST, 0))
	data, sender = s.recvfrom(1000)
	assert sender == (HOST, 0) and data[0] == 0x45 and data[9] == 1, (sender, data)
	assert struct.unpack("!BxxxHH", data[20:28]) == (0, 1234, 1), data
	s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
	s.connect((HOST, 0))
	s.send(echo(1234, 2))
	assert struct.unpack("!BxxxHH", s.recv(1000)[20:28]) == (0, 1234, 2)
	for wrong in 0, 256:
		try:
			socket.socket(socket.AF_INET, socket.SOCK_RAW, wrong)
			raise AssertionError(wrong)
		except OSError:
			pass


datagram()
raw()
