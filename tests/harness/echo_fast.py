#!/usr/bin/env python3
"""echo_fast.py ADDRESS PORT: a TCP echo service whose listener takes Fast Open, one connection after the other."""
import socket
import sys

with socket.socket() as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((sys.argv[1], int(sys.argv[2])))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    listener.listen()
    while True:
        s, _ = listener.accept()
        with s:
            while data := s.recv(65536):
                s.sendall(data)
