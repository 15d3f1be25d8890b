# For `weft run`: a server that never blocks sends a file by sendfile(2), waiting for room by select.  Arguments: port, file.
import os
import select
import socket
import sys

listener = socket.create_server(("", int(sys.argv[1])))
c, _ = listener.accept()
c.setblocking(False)
with open(sys.argv[2], "rb") as f:
    size, at = os.fstat(f.fileno()).st_size, 0
    while at < size:
        select.select([], [c], [])
        try:
            at += os.sendfile(c.fileno(), f.fileno(), at, size - at)
        except BlockingIOError:
            pass
c.close()
