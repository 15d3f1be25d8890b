#!/usr/bin/env python3
"""connect_from.py HOST PORT N [SOURCE_PORT]: N connections one after the other, each reset at once, from ports
the kernel chooses or all from one."""
import socket
import struct
import sys

for _ in range(int(sys.argv[3])):
    s = socket.socket()
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if len(sys.argv) > 4:
        s.bind(("", int(sys.argv[4])))
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.close()
