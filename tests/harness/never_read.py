#!/usr/bin/env python3
"""never_read.py HOST PORT N FILE [send]: N connections that read nothing; with `send` they send all that goes.
FILE appears when all are open and stuck; they stay until standard input ends."""
import socket
import sys

socks = []
for _ in range(int(sys.argv[3])):
    s = socket.socket()
    s.settimeout(20)
    s.connect((sys.argv[1], int(sys.argv[2])))
    socks.append(s)
for s in socks if len(sys.argv) > 5 else []:
    s.settimeout(0.2)
    try:
        while True:
            s.send(b"x" * 65536)
    except socket.timeout:
        pass
open(sys.argv[4], "w").close()
sys.stdin.read()
