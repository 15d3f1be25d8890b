# A name server for `weft run`'s tests, over UDP and TCP: www.test is the address given, all else is not there.
# Arguments: own address, address to answer with.
import socket
import sys
import threading

RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(sys.argv[2])


def answer(query):
    end = query.index(b"\0", 12)
    question = query[12 : end + 5]
    found = question.lower().startswith(b"\3www\4test\0")
    is_a = question[-4:-2] == b"\0\1"
    flags = b"\x81\x80" if found else b"\x81\x83"
    count = b"\0\1" if found and is_a else b"\0\0"
    return query[:2] + flags + b"\0\1" + count + b"\0\0\0\0" + question + (RECORD if found and is_a else b"")


def streams(listener):
    while True:
        s, _ = listener.accept()
        with s, s.makefile("rb") as f:
            a = answer(f.read(int.from_bytes(f.read(2), "big")))
            s.sendall(len(a).to_bytes(2, "big") + a)


threading.Thread(target=streams, args=(socket.create_server((sys.argv[1], 53)),), daemon=True).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
while True:
    query, who = s.recvfrom(2000)
    s.sendto(answer(query), who)
