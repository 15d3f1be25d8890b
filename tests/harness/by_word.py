#!/usr/bin/env python3
"""by_word.py listen|connect HOST PORT < words: one connection, and with it what each line says: `fin` ends its
own half, `data` sends some, `end` (or no more lines) closes it."""
import socket
import sys

there = (sys.argv[2], int(sys.argv[3]))
if sys.argv[1] == "listen":
    listener = socket.create_server(there)
    s, _ = listener.accept()
    listener.close()
else:
    s = socket.create_connection(there)
for word in sys.stdin:
    if word == "fin\n":
        s.shutdown(socket.SHUT_WR)
    elif word == "data\n":
        s.send(b"late")
    else:
        break
s.close()
