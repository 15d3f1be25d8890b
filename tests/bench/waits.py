"""What a wait for a frame costs: a loop that only turns UDP datagrams round on a TAP, its ways to wait by turns, and
the kernel's own UDP once a turn, to which each is a ratio.
"""
from figures import median
from rig import RunFailed
from rows import Section

ROUNDS = 5
SECONDS = 0.25
QUESTION = ['-u', '-s', '64', 'rtt']
WAYS = (('poll-both', 'ppoll of TAP and eventfd, read'), ('poll-tap', 'ppoll of the TAP alone, read'),
        ('epoll', 'epoll_wait for both, read'), ('read-blocks', 'a read that blocks'),
        ('read-twice', 'a read that does not block, then one that does'),
        ('read-poll', 'a read that does not block, then ppoll'), ('spin', 'never asleep: reads only'),
        ('spin-yield', 'never asleep: sched_yield after an empty read'))
LINE = '%-49s %-6s %-14s %8s %8s %6s '


def ask(table, stack):
    """The median round trip in us."""
    return table.rig.ask(stack, 'one', QUESTION, table.seconds or SECONDS)[0][0]


def turn(table):
    table.figures.add('waits', 'kernel', 'floor', ask(table, 'kernel'))
    for way, _ in WAYS:
        server = table.rig.turn_round(way)
        try:
            table.figures.add('waits', way, 'floor', ask(table, 'weft'))
        finally:
            server.end()


def run(table):
    if not {'kernel', 'weft'} <= set(table.stacks):
        table.skip('no waits measured: they need the namespaces of kernel and weft')
        return
    try:
        server = table.rig.serve('kernel', 'one')
        try:
            for _ in range(table.rounds or ROUNDS):
                turn(table)
        finally:
            server.end()
    except RunFailed as e:
        table.fail('waits', e)


def notes(table):
    kernel = table.figures.get('waits', 'kernel', 'floor')
    if kernel:
        yield LINE % ('', 'unit', 'beside', 'loop', 'it', 'ratio') + 'low-high'
    for way, text in WAYS:
        figures = table.figures.get('waits', way, 'floor')
        ratios = [own / its for own, its in zip(figures, kernel)]
        if ratios:
            shown = ['%.2f' % median(numbers) for numbers in (figures, kernel, ratios)]
            yield LINE % (text, 'us', 'kernel', *shown) + '%.2f-%.2f' % (min(ratios), max(ratios))


def section():
    return Section('Waits: UDP 64 B turned round by a loop, both ends on one CPU, p50', [], [], run, notes)
