"""Two things without a network between two processes: the instructions that weft spends on a segment, counted by
callgrind in one process on the virtual clock; and what the single steps cost that no stack over a TAP leaves out.
"""
import os
import re
import subprocess

from figures import median
from rig import RunFailed
from rows import Section, row

SEGMENTS = 1600
WAYS = (('receive', 'received'), ('write', 'sent, 16 a call'), ('send', 'sent, one a call'))
SERVED = (('request', 'a request of 64 B, epoll server'), ('trip', 'a round trip of 64 B, recv() that waits'),
          ('datagram', 'the same over UDP'), ('connection', 'a connection with one, SYN to last ACK'))
TIMESTAMPS = ((0, '1460 B'), (1, '1448 B and timestamps'))
STEPS = (('write-64k', 'write of a 64 KB super-frame that nobody takes'), ('write-1514', 'write of 1514 B that nobody takes'),
         ('read-64k', 'read of 64 KB'), ('read-1514', 'read of 1514 B'), ('read-nothing', 'read of an empty TAP'),
         ('wake-nobody', 'futex wake with no waiter'), ('copy-64k', 'copy of 64 KB, hot'),
         ('copy-64k-cold', 'copy of 64 KB, cold'),
         ('unix-write-64k', 'write of 64 KB to an AF_UNIX stream'), ('unix-read-64k', 'read of them'),
         ('unix-write-64', 'write of 64 B to an AF_UNIX stream'), ('unix-read-64', 'read of them'))


def instructions(rig, way, timestamps):
    """Of one segment: always the same number, so one run is enough."""
    command = ['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', '--toggle-collect=measured_*',
               os.path.join(rig.folder, 'segments'), way, str(SEGMENTS), str(timestamps)]
    # callgrind counts each byte that `rep movsb` copies
    copy = dict(os.environ, GLIBC_TUNABLES='glibc.cpu.x86_rep_movsb_threshold=1000000000')
    done = subprocess.run(command, env=copy, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    collected = re.search(rb'Collected : (\d+)', done.stderr)
    if done.returncode or not collected:
        raise RunFailed(' '.join(command))
    return int(collected.group(1)) / int(done.stdout)


def run_segments(table):
    counted = [(way, timestamps) for way, _ in WAYS for timestamps, _ in TIMESTAMPS] + [(way, 1) for way, _ in SERVED]
    for way, timestamps in counted:
        name = '%s-%d' % (way, timestamps)
        try:
            table.figures.add(name, 'instructions', 'weft', instructions(table.rig, way, timestamps))
        except FileNotFoundError:
            table.skip('no instructions counted: it needs the package valgrind')
            return
        except RunFailed as e:
            table.fail(name, e)


def segments():
    rows = [row('%s, %s' % (text, size), 'instr.', '%s-%d' % (way, timestamps), 'instructions', 'limit:1000',
                '' if timestamps else '<= 1')
            for way, text in WAYS for timestamps, size in TIMESTAMPS]
    rows += [row(text, 'instr.', way + '-1', 'instructions', 'limit:1000') for way, text in SERVED]
    return Section('Instructions in user space for one segment with its share of ACKs', [], rows, run_segments)


def run_floor(table):
    for _ in range(table.rounds or 5):
        try:
            text = table.rig.floor()
        except RunFailed as e:
            table.fail('floor', e)
            return
        for line in text.splitlines():
            name, us = line.split()
            table.figures.add('floor', name, 'floor', float(us))


def floor_notes(table):
    for name, text in STEPS:
        figures = table.figures.get('floor', name, 'floor')
        if figures:
            yield '%-49s us %30.2f %15s %.2f-%.2f' % (text, median(figures), '', min(figures), max(figures))


def floor():
    return Section('Single steps, each in a loop by itself, CPU 0', [], [], run_floor, floor_notes)
