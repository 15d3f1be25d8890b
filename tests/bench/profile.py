#!/usr/bin/env python3
"""tests/bench/profile.py BUILD - where the time of each benchmark goes: `perf record -a -g` around one run of its client
against weft, counted by what the time went for.

Text goes to the standard output and to BUILD/profile.txt: a line a case, then its head.  BUILD/profile/ has a
flame graph of each.  CASES (a pattern of names) chooses, SECONDS_EACH is how long the bench's own clients ask.
docs/performance.md says what the columns are.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import flame
import programs
from cases import sections
from rig import Rig, RunFailed
from stacks import COLUMNS, Rooms, Sample, busy, column_of, samples

CASES = ('out-1', 'in-1', 'out-1-one', 'in-1-one', 'out-2-free', 'in-2-free', 'out-8-free', 'in-8-free', 'out-plain-free',
         'in-plain-free', 'rtt-TCP-64-one', 'rtt-UDP-64-one', 'rtt-TCP-64-split', 'rtt-TCP-64-free', 'conns-1', 'conns-16',
         'conns-1-brief', 'conns-16-brief', 'requests-64', 'requests-1000', 'asks-out', 'asks-in', 'asks-rtt-one',
         'asks-conns-1', 'asks-conns-16')
SECONDS = float(os.environ.get('SECONDS_EACH', 1.2))
HERTZ = 997
HEAD = 8
SETTLE = 0.3  # until perf has opened its events


class Profile:
    """Of one case: what each sample went for, beside the time in which nobody had the CPU."""

    def __init__(self, name, idle, taken):
        self.name, self.idle, self.taken = name, idle, taken
        self.whole = sum(sample.weight for sample in taken) or 1

    def share(self, weight):
        return (100 - self.idle) * weight / self.whole

    def shares(self, rooms):
        columns = dict.fromkeys(COLUMNS, 0)
        for sample in self.taken:
            columns[column_of(sample, rooms)] += self.share(sample.weight)
        columns['idle'] += self.idle
        return columns

    def head(self):
        weights = {}
        for sample in self.taken:
            weights[sample.head()] = weights.get(sample.head(), 0) + sample.weight
        first = sorted(weights, key=weights.get, reverse=True)[:HEAD]
        return [(self.share(weights[key]),) + key for key in first]


def descendants(pid):
    """It and all that it started."""
    parents = {}
    for other in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % other) as f:
                parents[int(other)] = int(f.read().rpartition(')')[2].split()[1])
        except OSError:
            pass
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def record(rig, name, place, servers, ask):
    """ask() under perf; who is not of the server's is the client's."""
    path, cpus = os.path.join(rig.folder, 'perf.data'), ['-C', '0'] if place == 'one' else ['-a']
    perf = subprocess.Popen(['perf', 'record', '-q', '-g', '-F', str(HERTZ), '-e', 'cycles', '-o', path] + cpus,
                            stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE)
        before = busy(place)
        ask()
        after = busy(place)
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait()
    text = subprocess.run(['perf', 'script', '--no-inline', '-i', path, '-F', 'comm,pid,period,ip,sym,dso'],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode(errors='replace')
    os.unlink(path)
    spent, passed = (b - a for a, b in zip(before, after))
    return Profile(name, 100 * (1 - spent / passed), samples(text, servers))


def of_case(rig, case):
    if not case.offload:
        rig.offload(False)
    rig.timewait('weft', case.asks)
    server = rig.serve('weft', case.place, case.serve, case.offload, case.asks)
    try:
        # Where the stack asks it is the client, and not what was there before.
        return record(rig, case.name, case.place, (descendants(server.pid), case.asks),
                      lambda: rig.ask('weft', case.place, case.command, SECONDS, case.asks))
    finally:
        server.end()
        if not case.offload:
            rig.offload(True)


def of_program(rig, program, chosen):
    if not all(shutil.which(need) for need in program.needs):
        print('weft: profile: no %s: it needs the packages %s' % (program.name, program.packages), file=sys.stderr)
        return
    served = programs.Served(rig, 'weft', program)
    try:
        for ask in filter(lambda ask: re.search(chosen, ask.case), program.asks):
            yield record(rig, ask.case, 'free', (descendants(served.process.pid), False), lambda: served.ask(ask))
    finally:
        served.end()


def profiles(rig, chosen):
    known = {case.name: case for section in sections() for case in section.cases}
    for name in filter(lambda name: re.search(chosen, name), CASES):
        try:
            yield of_case(rig, known[name])
        except RunFailed as e:
            print('weft: profile: %s: %s' % (name, e), file=sys.stderr)
    for program in (programs.nginx('off'), programs.redis(), programs.iperf()):
        if any(re.search(chosen, ask.case) for ask in program.asks):
            yield from of_program(rig, program, chosen)


def line(profile, rooms):
    shares = profile.shares(rooms)
    return '%-17s' % profile.name + ''.join('%7.0f' % shares[column] if shares[column] >= 0.5 else '%7s' % '.'
                                           for column in COLUMNS)


def main():
    build, chosen = sys.argv[1], os.environ.get('CASES', '.')
    if os.geteuid() or not shutil.which('perf'):
        sys.exit('weft: profile: needs root, and the package linux-perf')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rig, rooms, lines, heads = Rig(build), Rooms('.'), ['%-17s' % '' + ''.join('%7s' % column for column in COLUMNS)], []
    os.makedirs(os.path.join(build, 'profile'), exist_ok=True)
    try:
        rig.open(['kernel', 'weft'])
        print(lines[0], flush=True)
        for profile in profiles(rig, chosen):
            lines.append(line(profile, rooms))
            print(lines[-1], flush=True)
            heads.append('%s: %s' % (profile.name, ', '.join('%s %s %.1f' % (who, symbol, share)
                                                            for share, who, symbol in profile.head())))
            with open(os.path.join(build, 'profile', profile.name + '.svg'), 'w') as f:
                f.write(flame.graph(profile.name, profile.taken, lambda sample: column_of(sample, rooms)))
    finally:
        rig.close()
    print('\n' + '\n'.join(heads))
    with open(os.path.join(build, 'profile.txt'), 'w') as f:
        f.write('\n'.join(lines + [''] + heads + ['']))


if __name__ == '__main__':
    main()
