"""Under `weft run`: splice() of more at a time than the socket's buffer holds, of a file's and of huge pages.  Arguments: a discard server, a file."""
import ctypes
import fcntl
import mmap
import os
import select
import socket
import sys

HOST, PORT, PATH = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PIPE, MADV_HUGEPAGE = 1 << 20, 14
SIZE = os.path.getsize(PATH)
libc = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
	_fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def moved(fill):
	s = socket.create_connection((HOST, PORT))
	s.setblocking(False)
	r, w = os.pipe()
	fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, PIPE)
	left, waiting = SIZE, 0
	while left:
		if not waiting:
			waiting = fill(w, min(PIPE, left))
			assert waiting > 0, ctypes.get_errno()
		assert select.select([], [s], [], 20)[1], f"stuck {left} before the end"
		try:
			n = os.splice(r, s.fileno(), waiting)
		except BlockingIOError:
			continue
		waiting -= n
		left -= n
	s.shutdown(socket.SHUT_WR)
	s.settimeout(20)
	assert s.recv(1) == b""


source = os.open(PATH, os.O_RDONLY)
moved(lambda w, n: os.splice(source, w, n))
pages = mmap.mmap(-1, 4 * PIPE)
pages.madvise(MADV_HUGEPAGE)
pages.write(b"z" * len(pages))
base = ctypes.addressof(ctypes.c_char.from_buffer(pages))
moved(lambda w, n: libc.vmsplice(w, ctypes.byref(Iovec(base, n)), 1, 0))
