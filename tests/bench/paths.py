#!/usr/bin/env python3
"""tests/bench/paths.py BUILD [--json] - weft's TCP beside the kernel's over the same bad paths, in one run.

    namespace a                    the path                     namespace b
    weft -- tap0 -- kernel --+
                             +-- tapa -- a router -- tapb -- kernel
                kernel ------+

The router is a weft that forwards, with netem on both of its devices; whoever is measured in a, weft or the
kernel, talks through it to the kernel in b, both ends with the same congestion control.  Each case runs
SECONDS_EACH (10) each way, ROUNDS (1) times, weft and kernel by turns with the same seed; CASES (a pattern
of names) and ALGORITHMS (cubic) choose.  JOBS (1) networks run rounds at once: for paths that leave the CPUs idle.
What counts is what the receiving program has read, every byte of it compared; a run that fails shows nothing and
makes the exit status 1.  Figures are means, with the ratio's standard error; docs/bench.md says what they mean.
"""
import json
import os
import queue
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from figures import Figures
from rig import Rig, RunFailed, Server, ip

ROUNDS = int(os.environ.get('ROUNDS', 1))
JOBS = int(os.environ.get('JOBS', 1))
SECONDS = float(os.environ.get('SECONDS_EACH', 10))
SERVER = '10.2.0.2'
WEFT = ['-w', 'tap0,10.0.0.1/24,10.0.0.2']
WAYS = (('out', 'from weft'), ('in', 'to weft'))
ROW = '%-8s %-12s %-10s %12s %12s %8s %6s'
# netem's words for the way of the data, and for the way back.
PATHS = (
    ('plain', 'delay 10ms rate 200mbit limit 1000', 'delay 10ms'),
    ('long', 'delay 100ms rate 100mbit limit 4000', 'delay 100ms'),
    ('loss1', 'delay 10ms loss 1% limit 10000', 'delay 10ms'),
    ('loss1_both', 'delay 10ms loss 1% limit 10000', 'delay 10ms loss 1%'),
    ('loss3', 'delay 10ms loss 3% limit 10000', 'delay 10ms'),
    ('loss10', 'delay 5ms loss 10% limit 10000', 'delay 5ms'),
    ('loss30', 'delay 1ms loss 30% limit 10000', 'delay 1ms'),
    ('bursts', 'delay 10ms rate 100mbit limit 1000 loss gemodel 0.1% 20%', 'delay 10ms'),
    ('blackouts', 'delay 10ms rate 100mbit limit 1000 blackout 500ms 4s', 'delay 10ms'),
    ('reorder50', 'delay 10ms rate 100mbit reorder 50% limit 10000', 'delay 10ms'),
    ('corrupt10', 'delay 5ms corrupt 10% limit 10000', 'delay 5ms'),
    ('jitter', 'delay 20ms 5ms rate 100mbit limit 10000', 'delay 10ms'),
)


class Network:
    def __init__(self, build, folder, number):
        self.rig = Rig(build, number)
        folder = os.path.join(folder, str(number))
        os.mkdir(folder)
        self.log = os.path.join(folder, 'router')
        self.control = [os.path.join(build, 'weft'), 'ctl', '--control', os.path.join(folder, 'control')]

    def ctl(self, *words):
        return subprocess.run(self.control + list(words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=words[0] != 'help').returncode == 0

    def router(self, a):
        weft, _, *control = self.control
        ends = ['--dev', 'tap:tapa', '--addr', '10.1.0.1/24', '--host-addr', 'none',
                '--dev', 'tap:tapb', '--addr', '10.2.0.1/24', '--host-addr', 'none']
        with open(self.log, 'w') as log:
            router = subprocess.Popen(['ip', 'netns', 'exec', a, weft] + ends + control + ['-d'], stderr=log)
        while not self.ctl('help'):
            if router.poll() is not None:
                with open(self.log) as log:
                    sys.exit('weft: bench: no router: ' + log.read())
            time.sleep(0.05)

    def open(self):
        a, b = self.rig.namespace('a'), self.rig.namespace('b')
        self.router(a)
        ip('-n', a, 'link', 'set', 'tapb', 'netns', b)
        ip('-n', a, 'tuntap', 'add', 'dev', 'tap0', 'mode', 'tap', 'vnet_hdr')
        for ns, dev, address in ((a, 'tap0', '10.0.0.2/24'), (a, 'tapa', '10.1.0.2/24'), (b, 'tapb', SERVER + '/24')):
            ip('-n', ns, 'addr', 'add', address, 'dev', dev)
            ip('-n', ns, 'link', 'set', dev, 'up')
        ip('-n', a, 'route', 'add', '10.2.0.0/24', 'via', '10.1.0.1')
        ip('-n', b, 'route', 'add', 'default', 'via', '10.2.0.1')
        self.rig.set_ipv4(a, 'ip_forward=1')
        self.ctl('route', 'add', '10.0.0.0/24', 'via', '10.1.0.2')

    def impair(self, out, back, seed):
        self.ctl('netem', 'tapb', 'off')
        for way, words in (('out', out), ('in', back)):
            self.ctl('netem', 'tapb', way, *words.split(), 'seed', str(seed))

    def measure(self, who, way, cc):
        """Mbit/s; the server ends by itself when what it received was wrong."""
        options = [self.rig.bench, '-p', '-c', cc]
        server = Server(self.rig.within('b', [], options + ['serve']))
        client = options + (WEFT if who == 'weft' else []) + [way, SERVER, str(SECONDS)]
        try:
            done = subprocess.run(self.rig.within('a', [], client), stdout=subprocess.PIPE, timeout=SECONDS * 6)
        except subprocess.TimeoutExpired as e:
            raise RunFailed('no end') from e
        finally:
            server.end()
            self.ctl('netem', 'tapb', 'off')
        if done.returncode or server.process.returncode:
            raise RunFailed('a wrong end')
        return round(float(done.stdout.split()[0]) * 1000, 2)


def case(free, figures, cc, path, way):
    """Of weft and of the kernel: the figures of all rounds."""
    name, forth, back = path

    def one(seed):
        network = free.get()
        try:
            for who in ('kernel', 'weft'):
                network.impair(*(forth, back) if way == 'out' else (back, forth), seed)
                try:
                    figures.add((cc, name), way, who, network.measure(who, way, cc))
                except RunFailed as e:
                    figures.fail('%s %s %s %s: %s' % (cc, name, way, who, e))
        finally:
            free.put(network)

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(one, range(1, ROUNDS + 1)))
    return [figures.get((cc, name), way, who) for who in ('weft', 'kernel')]


def compared(weft, kernel):
    """Means, their ratio and its standard error; None: there is none."""
    if not weft or not kernel:
        return [statistics.fmean(got) if got else None for got in (weft, kernel)] + [None, None]
    ratio, error = statistics.fmean(weft) / statistics.fmean(kernel), None
    if min(len(weft), len(kernel)) > 1:
        parts = (statistics.variance(got) / len(got) / statistics.fmean(got) ** 2 for got in (weft, kernel))
        error = ratio * sum(parts) ** 0.5
    return [statistics.fmean(weft), statistics.fmean(kernel), ratio, error]


def run(free, figures, as_json):
    rows = []
    for cc in os.environ.get('ALGORITHMS', 'cubic').split():
        for path in PATHS:
            if not re.search(os.environ.get('CASES', '.'), path[0]):
                continue
            for way, text in WAYS:
                got = case(free, figures, cc, path, way)
                cells = compared(*got)
                rows.append({'cc': cc, 'path': path[0], 'way': way, 'weft': got[0], 'kernel': got[1],
                             'ratio': cells[2], 'error': cells[3]})
                if not as_json:
                    print(ROW % (cc, path[0], text, *('%.2f' % x if x else '-' for x in cells)), flush=True)
    return rows


def main():
    as_json, figures, folder = '--json' in sys.argv, Figures(), tempfile.mkdtemp()
    if os.geteuid() or not os.path.exists('/dev/net/tun'):
        sys.exit('weft: bench: needs root and /dev/net/tun')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    networks, free = [Network(sys.argv[1], folder, i) for i in range(JOBS)], queue.Queue()
    try:
        for network in networks:
            network.open()
            free.put(network)
        if not as_json:
            print(ROW % ('', 'path', 'data go', 'weft, Mbit/s', 'kernel', 'ratio', '+-'))
        rows = run(free, figures, as_json)
    finally:
        for network in networks:
            network.rig.close()
        shutil.rmtree(folder)
    if as_json:
        print(json.dumps(rows))
    for text in figures.failed:
        print('weft: bench: ' + text, file=sys.stderr)
    return 1 if figures.failed else 0


if __name__ == '__main__':
    sys.exit(main())
