#!/usr/bin/env python3
"""connect_from.py HOST PORT N [SOURCE_PORT [eof]]: N connections one after the other, from ports the kernel
chooses or all from one; each is reset at once, or with `eof` read to its end, so that HOST closes first."""
import errno
import socket
import struct
import sys
import time

to = (sys.argv[1], int(sys.argv[2]))
to_the_end = "eof" in sys.argv[5:]


def connect(s):
    end = time.monotonic() + 10
    while True:
        err = s.connect_ex(to)
        if not err:
            return
        # The last acknowledgement of the one before is still to come.
        if err != errno.EADDRNOTAVAIL or time.monotonic() > end:
            sys.exit(errno.errorcode.get(err, "%d" % err))


for _ in range(int(sys.argv[3])):
    s = socket.socket()
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if not to_the_end:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if len(sys.argv) > 4:
        s.bind(("", int(sys.argv[4])))
    connect(s)
    while to_the_end and s.recv(4096):
        pass
    s.close()
