# For `weft run`: streams both ways until a connection breaks, then ends with 0.  Arguments: an address and two ports;
# or "listen" and a port: answers all that connect with what they send.
import selectors
import socket
import sys

CHUNK = b"x" * 30000


def serve(port):
    listener = socket.create_server(("", port))
    s = selectors.DefaultSelector()
    s.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in s.select():
            if key.fileobj is listener:
                s.register(listener.accept()[0], selectors.EVENT_READ)
            elif not (got := key.fileobj.recv(65536)):
                s.unregister(key.fileobj)
                key.fileobj.close()
            else:
                key.fileobj.setblocking(True)
                key.fileobj.sendall(got)


if sys.argv[1] == "listen":
    serve(int(sys.argv[2]))
ends = [socket.create_connection((sys.argv[1], int(p))) for p in sys.argv[2:]]
try:
    while True:
        for s in ends:
            s.sendall(CHUNK)
            left = len(CHUNK)
            while left:
                got = s.recv(left)
                if not got:
                    sys.exit(0)
                left -= len(got)
except (ConnectionResetError, BrokenPipeError):
    pass
