"""What the table measures: the cases of the client's, section by section, and their rows; goals are ratios."""
import idle
import programs
import steps
import waits
from rows import BOTH, EVERY, FLOOR, Section, case, row

WAYS = (('out', 'received by the stack'), ('in', 'sent by the stack'))
BULK = ('rate', 'bytes')
COPYING, QUEUES, SOCKETS, SPINNING = ('copying',), ('queues',), ('sockets',), ('spinning', 'spinning')


def floor_beside(base, floor):
    """The floor of a row is a ratio to the kernel."""
    return floor if base == 'kernel' else ''


def bulk():
    cases, rows = [], []
    for way, text in WAYS:
        name = way + '-1'
        cases.append(case(name, 'free', '-c cubic ' + way, BULK, 0.7, EVERY + COPYING + QUEUES, 9, ('-c', 'cubic'),
                          checked=True))
        for base, goal in (('kernel', '>= 1.15'), ('gvisor', '>= 2'), ('lwip', '>= 9'), ('bare', '')):
            rows.append(row('1 stream %s, cubic' % text, 'Gbit/s', name, 'rate', base, goal, floor_beside(base, 'copying')))
        rows.append(row('1 stream %s, CPU of both ends' % text, 's/GB', name, 'cpu', 'kernel', '<= 1.1', 'copying'))
    for way, text in WAYS:
        name = way + '-bbr'
        cases.append(case(name, 'free', '-c bbr ' + way, BULK, 0.7, BOTH + COPYING, serve=('-c', 'cubic')))
        rows.append(row('1 stream %s, client bbr' % text, 'Gbit/s', name, 'rate', 'kernel', '>= 1', 'copying'))
    return Section('Bulk, free', cases, rows)


def streams_rows(place, way, text, many):
    """The single stream is measured here on one CPU, and free in the section before."""
    name = '%s-%d-%s' % (way, many, place)
    what = '%d stream%s %s' % (many, 's' if many > 1 else '', text)
    goal = {'free': '>= 0.7', 'one': '>= 0.8'}[place] if many == 2 else ''
    floor = 'copying' if place == 'one' else 'queues'
    rows = [row(what, 'Gbit/s', name, 'rate', 'kernel', goal, floor)]
    if many > 1:
        single = '%s-1' % way if place == 'free' else '%s-1-%s' % (way, place)
        rows.append(row('the same over 1 stream', 'Gbit/s', name, 'rate', 'case:' + single, '>= 1', floor))
    return rows + [row(what, 'Gbit/s', name, 'rate', peer) for peer in streams_stacks(place, many)[2:] if peer in EVERY]


def streams_stacks(place, many):
    if place == 'one':
        return FLOOR + COPYING
    return (EVERY if many == 2 else BOTH) + QUEUES


def streams(place, title, numbers):
    cases, rows = [], []
    for way, text in WAYS:
        for many in numbers:
            cases.append(case('%s-%d-%s' % (way, many, place), place, '-c cubic -n %d %s' % (many, way), BULK, 0.6,
                              streams_stacks(place, many), serve=('-c', 'cubic')))
            rows += streams_rows(place, way, text, many)
    return Section('Streams, ' + title, cases, rows)


def plain():
    cases, rows = [], []
    for way, text, place, goal in (WAYS[0] + ('free', '>= 1.3'), WAYS[1] + ('free', '>= 0.75'), WAYS[1] + ('one', '')):
        name, what = '%s-plain-%s' % (way, place), '1 stream %s%s' % (text, ', one CPU' if place == 'one' else '')
        cases.append(case(name, place, '-c cubic ' + way, BULK, 0.6, FLOOR + COPYING, serve=('-c', 'cubic'),
                          offload=False, checked=True))
        rows.append(row(what, 'Gbit/s', name, 'rate', 'kernel', goal, 'copying'))
        rows.append(row(what, 'Gbit/s', name, 'rate', 'bare'))
    return Section('Frames of 1500 bytes, no offload at either end', cases, rows)


def round_trips(place, title, goal50, goal99, floors=('sockets', 'bare')):
    """floors: of TCP and of UDP."""
    cases, rows = [], []
    for proto, option, floor in (('TCP', '', floors[0]), ('UDP', '-u ', floors[1])):
        for size in (64, 1400):
            name = 'rtt-%s-%d-%s' % (proto, size, place)
            peers = EVERY if proto == 'TCP' and size == 64 else FLOOR
            stacks = peers if floor in peers else peers + (floor,)
            cases.append(case(name, place, '%s-s %d rtt' % (option, size), ('p50', 'p99'), 0.3, stacks))
            text = '%s %d B' % (proto, size)
            rows.append(row(text + ', p50', 'us', name, 'p50', 'kernel', goal50, floor))
            rows.append(row(text + ', p99', 'us', name, 'p99', 'kernel', goal99, floor))
            rows += [row(text + ', p50', 'us', name, 'p50', peer) for peer in peers[2:]]
    return Section('Round trip, ' + title, cases, rows)


def rates(cases, title, floor):
    """Each of `cases`: name, command, seconds, stacks, text, goal."""
    rows = [row(text, '1/s', name, 'rate', base, goal if base == 'kernel' else '', floor_beside(base, floor))
            for name, _, _, stacks, text, goal in cases for base in stacks if base != 'weft']
    return Section(title, [case(name, 'free', command, ('rate',), seconds, stacks)
                           for name, command, seconds, stacks, _, _ in cases], rows)


def connections():
    plain = [('conns-%d' % n, '-n %d conns' % n, 0.6, EVERY + SOCKETS, '%d at a time' % n, '>= 1.5') for n in (1, 16)]
    brief = [('conns-%d-brief' % n, '-b -n %d conns' % n, 0.6, FLOOR + SOCKETS, '%d at a time, fewest packets' % n,
              '>= 1.8')
             for n in (1, 16)]
    return rates(plain + brief, 'Connections: connect, request, answer, close; blocking server; free', 'sockets')


def requests():
    return rates([('requests-%d' % n, '-n %d requests' % n, 0.6, EVERY + SOCKETS + ('grouping',),
                   'over %d connections' % n, '>= 1.3') for n in (64, 1000)], 'Requests, epoll server, free', 'grouping')


def asking():
    """The other way round: the stack opens the connections."""
    cases, rows = [], []
    for way, text in (('out', 'sent'), ('in', 'received')):
        name = 'asks-' + way
        cases.append(case(name, 'free', '-c cubic ' + way, BULK, 0.5, serve=('-c', 'cubic'), checked=True, asks=True))
        rows.append(row('1 stream %s' % text, 'Gbit/s', name, 'rate'))
    for place in ('free', 'one'):
        name = 'asks-rtt-' + place
        cases.append(case(name, place, 'rtt', ('p50', 'p99'), 0.3, asks=True))
        where = 'free' if place == 'free' else 'one CPU'
        rows += [row('round trip of 64 B, %s, %s' % (where, value), 'us', name, value) for value in ('p50', 'p99')]
    for many in (1, 16):
        name = 'asks-conns-%d' % many
        cases.append(case(name, 'free', '-n %d conns' % many, ('rate',), 0.5, asks=True))
        rows.append(row('connections, %d at a time' % many, '1/s', name, 'rate'))
    return Section('The stack asks, the kernel serves; free where not said', cases, rows)


def sections():
    return [bulk(), streams('free', 'free', (2, 8)), streams('one', 'one CPU', (1, 2, 8)), plain(),
            round_trips('one', 'both ends on one CPU', '<= 0.85', '<= 1.5'),
            round_trips('split', 'client on CPU 0, server on CPU 1', '<= 0.4', '', SPINNING),
            round_trips('free', 'free', '<= 0.4', '', SPINNING), connections(), requests(), asking(), programs.section(),
            idle.section(), steps.segments(), steps.floor(), waits.section()]
