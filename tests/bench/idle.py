"""Connections that are open and idle: what one has of the TCP room and weighs in the server's memory, and what a round trip costs beside
100,000 of them (IDLE sets how many), with and without their keepalive timers.

A kernel descriptor each is more than one process may have, so several clients hold them.
"""
import os
import subprocess

from rig import RunFailed
from rows import Section, row

MANY = int(os.environ.get('IDLE', 100000))
A_CLIENT = 15000
ADDRESS = 20000  # connections of one source address: hold.c's PER_ADDRESS
ROUNDS = 5
SECONDS = 0.3


def holders(rig, option, many):
    """Clients that hold so many connections among them, the last one with a question to ask."""
    clients = []
    try:
        for i in range(0, many, A_CLIENT):
            words = ['-n', str(min(A_CLIENT, many - i)), '-f', str(i // A_CLIENT * ADDRESS)] + option + ['hold']
            clients.append(rig.client('weft', 'one', words, SECONDS))
        for client in clients:
            if client.stdout.readline() != b'held\n':
                raise RunFailed('connections not held')
    except RunFailed:
        leave(clients)
        raise
    return clients


def leave(clients):
    for client in clients:
        client.stdin.close()
    for client in clients:
        client.wait()
        client.stdout.close()


def ask(clients):
    last = clients[-1]
    last.stdin.write(b'\n')
    last.stdin.flush()
    return float(last.stdout.readline().split()[0])


def measure(table, name, option, many):
    """Bytes a connection, and the median round trip in us."""
    server = table.rig.serve('weft', 'one')
    try:
        before = server.rss()
        clients = holders(table.rig, option, many)
        try:
            table.figures.add(name, 'bytes', 'weft', (server.rss() - before) / many)
            table.figures.add(name, 'p50', 'weft', ask(clients))
        finally:
            leave(clients)
    finally:
        server.end()


def sizes(table):
    """Of struct tcp_sock with its blocks."""
    done = subprocess.run([os.path.join(table.rig.folder, 'segments'), 'sizes'], stdout=subprocess.PIPE, check=True)
    for name, size in zip(('idle-fresh', 'idle-asked'), done.stdout.split()):
        table.figures.add(name, 'struct', 'weft', int(size))


def run(table):
    sizes(table)
    for _ in range(table.rounds or ROUNDS):
        for name, option, many in (('idle-few', ['-a'], 10), ('idle-fresh', [], MANY), ('idle-asked', ['-a'], MANY),
                                   ('idle-timed', ['-k'], MANY)):
            try:
                measure(table, name, option, many)
            except RunFailed as e:
                table.fail(name, e)


def section():
    return Section('%d idle connections, both ends on one CPU' % MANY, [], [
        row('after one request: struct tcp_sock, blocks', 'B', 'idle-asked', 'struct', 'limit:512', '<= 1'),
        row('after one request each, all in', 'B', 'idle-asked', 'bytes', 'limit:1024', '<= 1'),
        row('never used: struct tcp_sock, blocks', 'B', 'idle-fresh', 'struct', 'limit:320', '<= 1'),
        row('never used, all in', 'B', 'idle-fresh', 'bytes', 'case:idle-asked'),
        row('round trip beside them', 'us', 'idle-asked', 'p50', 'case:idle-few', '<= 1.1'),
        row('the same, their timers armed', 'us', 'idle-timed', 'p50', 'case:idle-few', '<= 1.1'),
    ], run)
