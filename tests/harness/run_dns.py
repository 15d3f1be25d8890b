# A name server for `weft run`'s tests: www.test is the address given, all else is not there.  Arguments: own address,
# address to answer with.
import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(sys.argv[2])
while True:
    query, who = s.recvfrom(2000)
    end = query.index(b"\0", 12)
    question = query[12 : end + 5]
    found = question.lower().startswith(b"\3www\4test\0")
    is_a = question[-4:-2] == b"\0\1"
    flags = b"\x81\x80" if found else b"\x81\x83"
    count = b"\0\1" if found and is_a else b"\0\0"
    s.sendto(query[:2] + flags + b"\0\1" + count + b"\0\0\0\0" + question + (answer if found and is_a else b""), who)
