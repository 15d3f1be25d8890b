#!/usr/bin/env python3
"""tests/coverage.py BUILD [-l] - what the tests of a build with --coverage ran, by room, from gcov's JSON.

Text: a row a room, then the functions that were never called.  -l: then the lines that never ran.
"""
import collections
import json
import pathlib
import subprocess
import sys

ROOMS = "lib net arp ip udp tcp socket".split()


def reports(build):
    for room in ROOMS:
        data = [str(p) for p in sorted((build / "obj" / room).glob("*.gcda"))]
        if data:
            run = subprocess.run(["gcov", "-t", "-b", "--json-format", *data], stdout=subprocess.PIPE, check=True)
            yield from map(json.loads, run.stdout.splitlines())


class Source:
    """Of one file the counts, added up over whatever included it."""

    def __init__(self):
        self.lines = collections.Counter()
        self.branches = collections.Counter()
        self.functions = collections.Counter()

    def add(self, report):
        for f in report["functions"]:
            self.functions[f["start_line"], f["name"]] += f["execution_count"]
        for line in report["lines"]:
            self.lines[line["line_number"]] += line["count"]
            for i, b in enumerate(line["branches"]):
                self.branches[line["line_number"], i] += b["count"]


def read(build):
    sources = collections.defaultdict(Source)
    for report in reports(build):
        for f in report["files"]:
            sources[f["file"]].add(f)
    return sources


def share(counters):
    counts = [n for c in counters for n in c.values()]
    return "%5d of %5d  %5.1f %%" % (sum(n > 0 for n in counts), len(counts),
                                     100 * sum(n > 0 for n in counts) / max(1, len(counts)))


def print_rooms(sources):
    print("%-8s %-24s %-24s %s" % ("room", "lines", "functions", "branches"))
    for room in ROOMS:
        of = [s for name, s in sources.items() if name.startswith(room + "/")]
        print("%-8s %-24s %-24s %s" % (room, *(share(getattr(s, kind) for s in of)
                                             for kind in ("lines", "functions", "branches"))))


def main(argv):
    sources = {n: s for n, s in sorted(read(pathlib.Path(argv[1])).items()) if n.split("/")[0] in ROOMS}
    print_rooms(sources)
    print("\nnever called:")
    for name, s in sources.items():
        for (line, function), n in sorted(s.functions.items()):
            if n == 0:
                print("%s:%d %s" % (name, line, function))
    if "-l" in argv:
        print("\nnever run:")
        for name, s in sources.items():
            text = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
            for line, n in sorted(s.lines.items()):
                if n == 0:
                    print("%s:%d:%s" % (name, line, text[line - 1]))


main(sys.argv)
