#!/usr/bin/env python3
"""isn.py many|one < `tcpdump -n -S -tt` lines: initial sequence numbers as RFC 6528 wants them.

many: of as many four-tuples; nothing in one tells of the next.  one: of one four-tuple again and again, with the
SYNs that ask for them; each is ahead of the one before, by the clock of 4 us or a faster one.
"""
import re
import sys

WORDS = 1 << 32


def numbers():
    """When each was asked for at the earliest, when it was there at the latest, and the number."""
    found, asked = [], None
    for line in sys.stdin:
        m = re.match(r"(\d+\.\d+) IP .* Flags \[S([.EW]*)\], seq (\d+)", line)
        if not m:
            continue
        now = float(m.group(1))
        if "." not in m.group(2):
            asked = asked or now
            continue
        found.append((asked or now, now, int(m.group(3))))
        asked = None
    return found


def many(isns):
    if len(set(isns)) < len(isns):
        return "some come twice"
    steps = [(b - a) % WORDS for a, b in zip(isns, isns[1:])]
    for name, values in (("numbers", isns), ("steps", steps)):
        sixteenths = [0] * 16
        for v in values:
            sixteenths[v >> 28] += 1
        expected = len(values) / 16
        chi2 = sum((n - expected) ** 2 / expected for n in sixteenths)
        if chi2 > 60:   # 15 degrees of freedom: by chance once in three million
            return "%s are not spread: %s" % (name, sixteenths)
    near = sum(min(s, WORDS - s) < 1 << 22 for s in steps)
    if near > 4:
        return "%d of %d steps are short" % (near, len(steps))
    return None


def one(found):
    for (_, then, a), (now, _, b) in zip(found, found[1:]):
        step = (b - a) % WORDS
        ticks = (now - then) / 4e-6
        if not max(ticks / 2, 0) < step < 1 << 31:
            return "%d follows %d after %.0f us" % (b, a, (now - then) * 1e6)
    return None


def main():
    found = numbers()
    if len(found) < int(sys.argv[2]):
        sys.exit("%d SYNs, not %s" % (len(found), sys.argv[2]))
    why = many([isn for _, _, isn in found]) if sys.argv[1] == "many" else one(found)
    sys.exit(why)


main()
