#!/usr/bin/env python3
"""tests/bench/table.py BUILD [--json] - the whole table: weft over its TAP beside the kernel over a veth pair,
and beside gVisor and lwIP where their Debian packages are installed.

Text goes to the standard output (with --json the JSON instead), JSON and an SVG plot to BUILD/bench.json and
BUILD/bench.svg.  ROUNDS sets how often each case is run in place of its own number, SECONDS_EACH how long, and
SECTIONS (a pattern of titles) and STACKS (of kernel, weft, gvisor, lwip, and the bare responder's ways in rows.py)
which part of the table.
docs/performance.md says what is measured and how.
"""
import os
import re
import signal
import subprocess
import sys
import time

from cases import sections
from figures import Figures
from rig import Rig, RunFailed, cpu_of, cpu_of_softirqs
from rows import BOTH, EVERY, FLOOR_ROUNDS, FLOORS, PEER_ROUNDS, WAYS
import report

PEERS = {'gvisor': 'golang-gvisor-gvisor-dev and golang-go', 'lwip': 'liblwip-dev'}
PLACEMENT = ('Placement: free, neither end bound; split, the client on CPU 0 and the server (all its threads) on '
             'CPU 1;\none CPU, both on CPU 0 (taskset). The stack named serves, the client has kernel sockets.')


class Table:
    def __init__(self, rig, stacks):
        self.rig = rig
        self.stacks = stacks
        self.figures = Figures()
        self.rounds = int(os.environ.get('ROUNDS', 0))
        self.seconds = float(os.environ.get('SECONDS_EACH', 0))

    def once(self, case, stack, server):
        before = cpu_of(server.pid) + cpu_of_softirqs()
        numbers, cpu = self.rig.ask(stack, case.place, case.command, self.seconds or case.seconds, case.asks)
        cpu += cpu_of(server.pid) + cpu_of_softirqs() - before
        figures = dict(zip(case.values, numbers))
        if 'bytes' in figures:
            figures['cpu'] = cpu * 1e9 / figures.pop('bytes')
        for value, number in figures.items():
            self.figures.add(case.name, value, stack, number)

    def check(self, case, stack):
        """Beside the measured runs: every byte compared, and in order."""
        if case.checked and stack in ('weft', 'kernel'):
            self.rig.ask(stack, case.place, ['-p'] + case.command, 0.2, case.asks)

    def turn(self, case, stack, servers):
        """A floor's server is there for its turn alone: who never sleeps would take a CPU from the others."""
        brief = stack in FLOORS
        if brief:
            self.start(case, stack, servers)
        try:
            if stack in servers:
                self.once(case, stack, servers[stack])
        except RunFailed as e:
            self.fail(case.name, e)
            brief = True
        if brief and stack in servers:
            servers.pop(stack).end()

    def run(self, case):
        """All rounds of a case, the stacks by turns; each has one server for all of them."""
        servers, stacks = {}, [stack for stack in self.stacks if stack in case.stacks]
        if not case.offload:
            self.rig.offload(False)
        try:
            for stack in stacks:
                if stack not in FLOORS:
                    self.start(case, stack, servers)
            for number in range(self.rounds or case.rounds):
                for stack in stacks:
                    if stack in BOTH or number < (FLOOR_ROUNDS if stack in FLOORS else PEER_ROUNDS):
                        self.turn(case, stack, servers)
        finally:
            for server in servers.values():
                server.end()
            if not case.offload:
                self.rig.offload(True)

    def start(self, case, stack, servers):
        self.rig.timewait(stack, case.asks)
        try:
            servers[stack] = self.rig.serve(stack, case.place, case.serve, case.offload, case.asks)
            self.check(case, stack)
        except RunFailed as e:
            self.fail(case.name, e)
            if stack in servers:
                servers.pop(stack).end()

    @staticmethod
    def skip(text):
        print('weft: bench: ' + text, file=sys.stderr)

    def fail(self, name, why):
        self.figures.fail('%s: %s' % (name, why))
        print('weft: bench: %s: %s' % (name, why), file=sys.stderr)


def machine():
    def word(*command):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().strip()
    with open('/proc/cpuinfo') as f:
        model = re.search(r'model name\s*: (.*)', f.read())
    dirty = word('git', 'status', '--porcelain', '-uno')
    with open('/proc/loadavg') as f:
        load = f.read().split()[0]
    return {'commit': (word('git', 'rev-parse', '--short', 'HEAD') or 'unknown') + ('+' if dirty else ''),
            'kernel': os.uname().release, 'cpus': os.cpu_count(), 'cpu': model.group(1) if model else 'unknown',
            'load': load}


def measured_stacks(rig):
    stacks = ['kernel', 'weft'] + list(WAYS)
    for peer, packages in PEERS.items():
        if os.access(os.path.join(rig.folder, peer), os.X_OK):
            stacks.append(peer)
        else:
            print('weft: bench: no %s beside it: it needs the packages %s' % (peer, packages), file=sys.stderr)
    only = os.environ.get('STACKS', '.')
    return [stack for stack in stacks if re.search(only, stack)]


def write(path, text):
    with open(path, 'w') as f:
        f.write(text)


def main():
    build, as_json = sys.argv[1], '--json' in sys.argv
    if os.geteuid() or not os.path.exists('/dev/net/tun'):
        sys.exit('weft: bench: needs root and /dev/net/tun')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin, what, rig = time.time(), machine(), Rig(build)
    say = (lambda text: None) if as_json else (lambda text: print(text, flush=True))
    table = Table(rig, measured_stacks(rig))
    rows = []
    say('weft %(commit)s, Linux %(kernel)s, %(cpus)s CPUs (%(cpu)s), load %(load)s' % what)
    say(PLACEMENT)
    try:
        rig.open(table.stacks)
        for section in sections():
            if not re.search(os.environ.get('SECTIONS', '.'), section.title):
                continue
            say('\n%s%s' % (section.title, '\n' + report.head() if section.rows else ''))
            for case in section.cases:
                table.run(case)
            if section.also:
                section.also(table)
            for row in section.rows:
                if row.base in EVERY and row.base not in table.stacks:
                    continue
                rows.append((section.title, row, table.figures.result(row)))
                say(report.line(row, rows[-1][2]))
            for note in section.notes(table) if section.notes else ():
                say(note)
    finally:
        rig.close()
    what['seconds'] = round(time.time() - begin)
    write(os.path.join(build, 'bench.json'), report.document(what, rows, table.figures))
    write(os.path.join(build, 'bench.svg'), report.plot(what, rows))
    if as_json:
        print(report.document(what, rows, table.figures), end='')
    say('\n%d s; %s/bench.json, %s/bench.svg' % (what['seconds'], build, build))
    return 1 if table.figures.failed else 0


if __name__ == '__main__':
    sys.exit(main())
