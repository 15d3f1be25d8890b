# For `weft run`: listens in the parent, accepts in four children, which end with it.  Argument: the port.
import os
import signal
import socket
import sys

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(16)
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        while True:
            c, _ = s.accept()
            c.sendall(b"served\n")
            c.close()
    children.append(pid)


def end(signum, frame):
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
signal.pause()
