# For `weft run`, with both ends on weft: a reset is ECONNRESET on either side, an end is an end.  Argument: weft's
# address.
import errno
import select
import socket
import struct
import sys

listener = socket.socket()
listener.bind((sys.argv[1], 0))
listener.listen(8)
where = listener.getsockname()
abort = struct.pack("ii", 1, 0)


def pair():
    a = socket.create_connection(where)
    b, peer = listener.accept()
    assert peer == a.getsockname(), (peer, a.getsockname())
    return a, b


def says_reset(s):
    try:
        got = s.recv(10)
        raise AssertionError("read " + repr(got))
    except ConnectionResetError:
        pass


for i in range(2):
    a, b = pair()[:: 1 - 2 * i]
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
    a.close()
    says_reset(b)
    a, b = pair()[:: 1 - 2 * i]
    b.sendall(b"unread")
    assert select.select([a], [], [], 10)[0]
    a.close()
    says_reset(b)
    a, b = pair()[:: 1 - 2 * i]
    a.sendall(b"last")
    a.close()
    assert b.recv(10) == b"last"
    assert b.recv(10) == b""
    b.close()
    a, b = pair()[:: 1 - 2 * i]
    p = select.poll()
    p.register(a, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
    assert p.poll(0) == [(a.fileno(), select.POLLOUT)]
    b.shutdown(socket.SHUT_WR)
    while not p.poll()[0][1] & select.POLLRDHUP:
        pass
    a.sendall(b"half")
    assert b.recv(10) == b"half"
    a.close()
    assert b.recv(10) == b""
