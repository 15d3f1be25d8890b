#!/usr/bin/env python3
"""echo_many.py HOST PORT CONNECTIONS BYTES: all open at once, each with its own pattern, all exact."""
import selectors
import socket
import sys


class Conn:
    def __init__(self, host, port, number, size):
        unit = b"%08d " % number
        self.data = (unit * (size // len(unit) + 1))[:size]
        self.sent = 0
        self.got = bytearray()
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex((host, port))


def step(conn, mask, sel):
    if mask & selectors.EVENT_WRITE:
        conn.sent += conn.sock.send(conn.data[conn.sent:conn.sent + 4096])
        if conn.sent == len(conn.data):
            conn.sock.shutdown(socket.SHUT_WR)
            sel.modify(conn.sock, selectors.EVENT_READ, conn)
    if mask & selectors.EVENT_READ:
        piece = conn.sock.recv(65536)
        conn.got += piece
        if not piece:
            sel.unregister(conn.sock)
            conn.sock.close()
            return False
    return True


def main():
    host, port, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    sel = selectors.DefaultSelector()
    conns = [Conn(host, port, n, size) for n in range(count)]
    for conn in conns:
        sel.register(conn.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, conn)
    left = count
    while left:
        ready = sel.select(60)
        if not ready:
            sys.exit("%d of %d connections stand still" % (left, count))
        for key, mask in ready:
            left -= not step(key.data, mask, sel)
    bad = sum(bytes(conn.got) != conn.data for conn in conns)
    if bad:
        sys.exit("%d of %d connections gave back something else" % (bad, count))


main()
