"""What the table is made of: cases, rows, sections.

A case is one command of the client, run `rounds` times against each stack by turns.  Its figures are named
by `values`; bulk has also cpu, CPU seconds a GB of both ends.  A row compares one figure of weft with one of
another stack, or of weft in another case, or with a fixed number.  `goal` is what the ratio should be.
`floor` is a stack that does no more than its name says: what its ratio is in the same run, beside the goal.
A section's `also` measures what is no case of the client's, its `notes` are lines behind the rows.
"""
from collections import namedtuple

EVERY = ('kernel', 'weft', 'gvisor', 'lwip', 'bare')
BOTH = ('kernel', 'weft')
FLOOR = ('kernel', 'weft', 'bare')
# The bare responder's ways (bare.c), by the names they have here: each a stack of its own, in fewer rounds.
WAYS = {'bare': (), 'copying': ('copy',), 'spinning': ('spin',), 'sockets': ('sockets',),
        'grouping': ('sockets', 'group=64'), 'queues': ('copy', 'queues=2'), 'relay': ()}
FLOORS = tuple(way for way in WAYS if way != 'bare')
# Of the others than kernel and weft at most.
FLOOR_ROUNDS, PEER_ROUNDS = 3, 5

Case = namedtuple('Case', 'name place command values seconds rounds stacks serve offload checked asks')
Row = namedtuple('Row', 'text unit case value base goal floor')
Section = namedtuple('Section', 'title cases rows also notes', defaults=(None, None))


def case(name, place, command, values, seconds, stacks=BOTH, rounds=5, serve=(), offload=True, checked=False,
         asks=False):
    return Case(name, place, command.split(), values, seconds, rounds, stacks, tuple(serve), offload, checked,
                asks)


def row(text, unit, case_name, value, base='kernel', goal='', floor=''):
    """base: a stack, 'case:NAME' (weft's figure there) or 'limit:NUMBER'."""
    return Row(text, unit, case_name, value, base, goal, floor)
