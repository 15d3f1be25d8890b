#!/usr/bin/env python3
"""group.py ADDRESS hear|ask: both join 239.1.2.3 by the device of ADDRESS; who asks waits for the answer there."""
import socket
import sys

GROUP, PORT = "239.1.2.3", 5353
own = socket.inet_aton(sys.argv[1])
member = socket.inet_aton(GROUP) + own
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(15)
s.bind(("", PORT))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
if sys.argv[2] == "hear":
    print("joined", flush=True)
    data, peer = s.recvfrom(100)
    print(data.decode(), "from", peer[0], flush=True)
    s.sendto(b"answer", (GROUP, PORT))
else:
    s.sendto(b"question", (GROUP, PORT))
    if s.recvfrom(100)[0] != b"answer":
        sys.exit("not the answer")
s.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, member)
