#!/usr/bin/env python3
"""connections.py HOST TOTAL KILLED: opens and closes TOTAL connections, 100 at a time, to echo (the client closes
first), daytime (the server does) and discard; then KILLED more which are reset or left with data on the way."""
import os
import selectors
import signal
import socket
import struct
import sys

ECHO, DISCARD, DAYTIME, CHARGEN = 7, 9, 13, 19
AT_ONCE = 100


def opened(host, port):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((host, port))
    return s


def step(sel, s, port):
    """True when the connection is over."""
    if port == DISCARD:
        s.send(b"gone")
        return True
    if sel.get_map()[s].events & selectors.EVENT_WRITE:
        if port == ECHO:
            s.send(b"0123456789")
        sel.modify(s, selectors.EVENT_READ, port)
        return False
    data = s.recv(4096)
    return not data or port == ECHO


def whole(host, total):
    sel = selectors.DefaultSelector()
    begun = done = 0
    ports = (ECHO, DAYTIME, ECHO, DISCARD)
    while done < total:
        while begun < total and begun - done < AT_ONCE:
            port = ports[begun % len(ports)]
            sel.register(opened(host, port), selectors.EVENT_WRITE, port)
            begun += 1
        ready = sel.select(20)
        if not ready:
            sys.exit("after %d connections: nothing for 20 s" % done)
        for key, _ in ready:
            if step(sel, key.fileobj, key.data):
                sel.unregister(key.fileobj)
                key.fileobj.close()
                done += 1


def killed(host, total):
    """In a process that dies: unread data, half-sent data, connections still being made."""
    for port in (CHARGEN, ECHO, DISCARD, CHARGEN):
        child = os.fork()
        if child == 0:
            socks = [opened(host, port) for _ in range(total // 4)]
            for i, s in enumerate(socks):
                if i % 3 == 0:
                    continue    # not even waited for
                s.setblocking(True)
                s.settimeout(10)
                try:
                    s.send(b"x" * 20000) if port != CHARGEN else s.recv(10)
                except OSError:
                    pass
                if i % 3 == 1:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)


whole(sys.argv[1], int(sys.argv[2]))
killed(sys.argv[1], int(sys.argv[3]))
