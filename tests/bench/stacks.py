"""Samples of perf with their call stacks, and what each one's time went for.

Columns: `idle`, nobody had the CPU; `client`, who asks, with its kernel, and `its` sleeps and wakes; of the process that
has weft: `read` and `write` of the TAP, `peer`, the host's TCP that takes in what is written, and the `wake` of its
reader, both within our write; `sleep`, switches, waits and wakes of our own threads; `unix`, AF_UNIX streams of unmodified
programs; `calls`, what else the kernel does for it; rooms of the stack; `copy` and `clock`, those of the C library;
`libc`, the rest of it; `prog`, the program on weft; `rest`, threads of the kernel and what is not known.
"""
import os
import re
from collections import namedtuple

COLUMNS = ('idle', 'client', 'its', 'read', 'write', 'peer', 'wake', 'sleep', 'unix', 'calls', 'lib', 'net', 'ip', 'tcp',
           'socket', 'copy', 'clock', 'libc', 'prog', 'rest')
ROOMS = {'lib': 'lib', 'net': 'net', 'arp': 'ip', 'ip': 'ip', 'udp': 'tcp', 'tcp': 'tcp', 'socket': 'socket',
         'shell': 'socket'}
WEFT = ('bench', 'weft', 'libweft_preload.so')
DEFINED = re.compile(r'^[a-z][\w *]*?\b(\w+)\([^;]*$', re.M)
COPIES = re.compile(r'mem(move|cpy|set|cmp)')
CLOCK = re.compile(r'clock_gettime|read_tsc|vdso')
SLEEPS = ('schedule', '__schedule', 'try_to_wake_up', 'do_futex', 'do_sys_poll', 'do_epoll_wait', '__x64_sys_ppoll',
          '__x64_sys_sched_yield', 'eventfd_write')
# In this order: the first whose name is on the stack.
MARKS = (('unix', ('unix_stream_sendmsg', 'unix_stream_recvmsg', 'unix_stream_read_generic', 'unix_poll')),
         ('read', ('tun_do_read', 'tun_chr_read_iter')), ('write', ('tun_get_user', 'tun_chr_write_iter')))
TAKES_IN = ('ip_rcv', 'ip_local_deliver', 'process_backlog', '__netif_receive_skb_core', '__netif_receive_skb',
            '__netif_receive_skb_one_core', 'net_rx_action')
WAKES = ('try_to_wake_up', '__wake_up_common', 'ttwu_queue_wakelist', 'sock_def_readable')

Frame = namedtuple('Frame', 'symbol dso')


class Sample(namedtuple('Sample', 'side comm weight frames')):
    """`side`: weft, client, kernel (nobody's) or idle; the leaf is frames[0]."""

    def in_kernel(self):
        return self.frames[0].dso.startswith('[') and 'vdso' not in self.frames[0].dso

    def head(self):
        return self.side, self.frames[0].symbol

    def names(self):
        return {frame.symbol for frame in self.frames}


class Rooms:
    """Which room a function is of, by the sources under `top`."""

    def __init__(self, top):
        self.of = {}
        for room, column in ROOMS.items():
            for name in sorted(os.listdir(os.path.join(top, room))):
                if name.endswith(('.c', '.h')):
                    self.read(os.path.join(top, room, name), column)

    def read(self, path, column):
        with open(path) as f:
            for symbol in DEFINED.findall(f.read()):
                self.of.setdefault(symbol, column)

    def column(self, symbol):
        """The compiler's copies have a suffix."""
        return self.of.get(symbol.partition('.')[0])


def side_of(pid, comm, servers, asks):
    if pid == 0:
        return 'idle'
    if comm.startswith(('ksoftirqd', 'kworker', 'perf', 'rcu', 'migration', 'python', 'kcompact')):
        return 'kernel'
    return 'client' if (pid in servers) == asks else 'weft'


def samples(text, whose):
    """Of perf's script; `whose`: the processes that served, and whether weft was who asked them."""
    taken = []
    for block in text.split('\n\n'):
        first, *rest = block.strip('\n').split('\n')
        head = re.match(r'\s*(.+?)\s+(\d+)\s+(\d+)\s*$', first)
        frames = [Frame(*found.groups()) for found in (re.match(r'\s+[0-9a-f]+ (.+?) \((.*)\)$', one) for one in rest)
                  if found]
        if head and frames:
            comm, pid = head.group(1), int(head.group(2))
            taken.append(Sample(side_of(pid, comm, *whose), comm, int(head.group(3)), frames))
    return taken


def kernel_column(names):
    for column, marks in MARKS:
        if not names.intersection(marks):
            continue
        if column == 'write' and names.intersection(TAKES_IN):
            return 'wake' if names.intersection(WAKES) else 'peer'
        return column
    return 'sleep' if names.intersection(SLEEPS) else 'calls'


def user_column(leaf, rooms):
    name = os.path.basename(leaf.dso)
    if CLOCK.search(leaf.symbol) or 'vdso' in leaf.dso:
        return 'clock'
    if name in WEFT:
        return rooms.column(leaf.symbol) or 'prog'
    if name.startswith(('libc.', 'ld-')):
        return 'copy' if COPIES.search(leaf.symbol) else 'libc'
    return 'prog'


def column_of(sample, rooms):
    if sample.side == 'idle':
        return 'rest' if sample.names().intersection(TAKES_IN) else 'idle'
    if sample.side == 'kernel':
        return 'rest'
    if sample.side == 'client':
        return 'its' if sample.in_kernel() and sample.names().intersection(SLEEPS) else 'client'
    return kernel_column(sample.names()) if sample.in_kernel() else user_column(sample.frames[0], rooms)


def busy(place):
    """Ticks of the CPUs that count: not idle, and all."""
    with open('/proc/stat') as f:
        ticks = [[int(word) for word in line.split()[1:9]] for line in f
                 if re.match('cpu0 ' if place == 'one' else 'cpu[0-9]', line)]
    whole = sum(map(sum, ticks))
    return whole - sum(cpu[3] + cpu[4] for cpu in ticks), whole
