#!/usr/bin/env python3
"""tests/harness/run_cork.py serve PORT | ask ADDR PORT COUNT - answers of two writes, corked: the first is with the
gateway before the second is written, and both are one answer all the same.

Were the first sent alone, Nagle's rule would keep the second for a delayed ACK, 40 ms an answer; `ask` ends with 1 when
COUNT answers took half of that each.
"""
import socket
import sys
import time

HEAD, BODY = 240, 1000


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def serve(port):
    with socket.create_server(('', port)) as listener:
        s, _ = listener.accept()
        while s.recv(100):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            s.sendall(bytes(HEAD))
            spin(0.0005)
            s.sendall(bytes(BODY))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def ask(addr, port, count):
    with socket.create_connection((addr, port)) as s:
        begin = time.monotonic()
        for _ in range(count):
            s.sendall(b'?')
            left = HEAD + BODY
            while left:
                left -= len(s.recv(left))
        took = time.monotonic() - begin
    print('%d answers in %.3f s' % (count, took))
    return 0 if took < count * 0.02 else 1


if sys.argv[1] == 'serve':
    serve(int(sys.argv[2]))
else:
    sys.exit(ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
