#!/usr/bin/env python3
"""fast_open.py ADDRESS PORT N: N connections to an echo service, each opened by sendto(MSG_FASTOPEN); what comes
back must be what was sent.  Prints how many had their data in the SYN acknowledged (TCPI_OPT_SYN_DATA)."""
import socket
import sys

address, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TCPI_OPT_SYN_DATA = 32
fast = 0
for i in range(n):
    data = bytes((i + k) % 251 for k in range(600 + 500 * i))
    with socket.socket() as s:
        sent = s.sendto(data, socket.MSG_FASTOPEN, (address, port))
        s.sendall(data[sent:])
        s.shutdown(socket.SHUT_WR)
        got = b""
        while part := s.recv(65536):
            got += part
        if got != data:
            sys.exit(f"{len(got)} bytes came back of {len(data)}")
        fast += bool(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5] & TCPI_OPT_SYN_DATA)
print(fast)
