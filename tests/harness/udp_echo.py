#!/usr/bin/env python3
"""udp_echo.py HOST PORT SIZE...: a datagram of each size, and the same back."""
import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], int(sys.argv[2])))
for size in map(int, sys.argv[3:]):
    data = bytes((size + i) & 255 for i in range(size))
    s.send(data)
    if s.recv(65536) != data:
        sys.exit("%d bytes: others came back" % size)
