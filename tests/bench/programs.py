"""Unmodified programs: a stock server on weft by `weft run` over the TAP, beside the same server on the kernel over the
veth pair, by turns; the client is a stock program on the kernel's sockets, the same for both.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import namedtuple

from rig import SERVER, RunFailed
from rows import Section, row

ROUNDS = 5
BODY = 1000  # bytes that nginx serves
CONNECTIONS = 100
REQUESTS = 60000  # of redis-benchmark, which knows no time; 16 times as many where they are pipelined
UNITS = {'us': 1, 'ms': 1e3, 's': 1e6}
NGINX = """daemon off; worker_processes 1; user root; pid %(folder)s/pid; error_log %(folder)s/error;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush %(nopush)s; keepalive_requests 100000000;
client_body_temp_path %(folder)s/1; proxy_temp_path %(folder)s/2; fastcgi_temp_path %(folder)s/3;
uwsgi_temp_path %(folder)s/4; scgi_temp_path %(folder)s/5;
server { listen 8080; root %(folder)s; } }
"""

# `local`: the command that serves at an AF_UNIX path instead, for the bare relay.
Program = namedtuple('Program', 'name needs packages serve ready asks local', defaults=(None,))
Ask = namedtuple('Ask', 'case command read')


# --- what the clients say


def read_wrk(text):
    """Requests a second, and the latency in us."""
    figures = {'rate': float(re.search(r'Requests/sec: +([\d.]+)', text).group(1))}
    for percent in ('50', '99'):
        number, unit = re.search(r' %s%% +([\d.]+)(us|ms|s)' % percent, text).groups()
        figures['p' + percent] = float(number) * UNITS[unit]
    if 'Non-2xx' in text or 'Socket errors' in text:
        raise RunFailed('wrk: ' + text)
    return figures


def read_redis(text):
    words = text.split('\n')[1].replace('"', '').split(',')
    return {'rate': float(words[1]), 'p99': float(words[6]) * 1000}


def read_iperf(text):
    return {'rate': float(re.search(r'([\d.]+) Mbits/sec +receiver', text).group(1)) / 1000}


# --- the programs


def nginx(nopush):
    def serve(folder):
        with open(os.path.join(folder, 'body'), 'wb') as f:
            f.write(os.urandom(BODY))
        with open(os.path.join(folder, 'conf'), 'w') as f:
            f.write(NGINX % {'folder': folder, 'nopush': nopush})
        return ['nginx', '-c', os.path.join(folder, 'conf')]
    url = 'http://%s:8080/body' % SERVER
    command = ['wrk', '--latency', '-t', '2', '-c', str(CONNECTIONS), '-d', '1', url]
    return Program('nginx', ('nginx', 'wrk'), 'nginx-light and wrk', serve, connects(8080),
                   [Ask('nginx-nopush-' + nopush, command, read_wrk)])


def redis():
    def ask(depth):
        return ['redis-benchmark', '-h', SERVER, '-t', 'get', '-c', '50', '-P', str(depth), '-n', str(REQUESTS * depth),
                '--csv']
    serve = ['redis-server', '--port', '6379', '--bind', '0.0.0.0', '--save', '', '--protected-mode', 'no']
    return Program('redis', ('redis-server', 'redis-benchmark'), 'redis-server and redis-tools', lambda _: serve,
                   connects(6379), [Ask('redis-get-%d' % depth, ask(depth), read_redis) for depth in (1, 16)],
                   lambda path: ['redis-server', '--port', '0', '--unixsocket', path, '--save', ''])


def iperf():
    client = ['iperf3', '-f', 'm', '-c', SERVER]
    return Program('iperf3', ('iperf3',), 'iperf3', lambda _: ['iperf3', '-s'], client + ['-n', '1K'],
                   [Ask('iperf3-' + way, client + ['-t', '1'] + option, read_iperf)
                    for way, option in (('out', []), ('in', ['-R']))])


def connects(port):
    return ['bash', '-c', ': >/dev/tcp/%s/%d' % (SERVER, port)]


# --- one of them on both stacks


def weft_run(rig):
    return [os.path.join(rig.folder, '../../weft'), 'run', '--dev', 'tap:tap0', '--addr', SERVER + '/24', '--host-addr',
            'none', '--']


class Served:
    """A program that serves on a stack, until end()."""

    def __init__(self, rig, stack, program):
        self.rig, self.stack, self.name = rig, stack, program.name
        self.folder = tempfile.mkdtemp(prefix='weft-bench-')
        path, self.front = os.path.join(self.folder, 'socket'), None
        command = program.local(path) if stack == 'relay' else program.serve(self.folder)
        command = (weft_run(rig) if stack == 'weft' else []) + command
        self.process = subprocess.Popen(rig.within(rig.own(stack), [], command), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if stack == 'relay':
            self.until(lambda: os.path.exists(path))
            self.front = rig.relay(path)
        self.until(lambda: not self.client(program.ready).returncode)

    def until(self, serves):
        end = time.time() + 10
        while not serves():
            if time.time() > end:
                self.end()
                raise RunFailed('%s on %s does not serve' % (self.name, self.stack))
            time.sleep(0.05)

    def client(self, command):
        try:
            return subprocess.run(self.rig.within(self.stack, [], command), stdin=subprocess.DEVNULL, timeout=30,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise RunFailed('%s on %s answers no more' % (self.name, self.stack)) from None

    def ask(self, ask):
        done = self.client(ask.command)
        if done.returncode:
            raise RunFailed('%s: %s' % (self.stack, ' '.join(ask.command)))
        try:
            return ask.read(done.stdout.decode())
        except (AttributeError, IndexError, ValueError):
            raise RunFailed('%s: %s: not understood' % (self.stack, ask.command[0])) from None

    def end(self):
        if self.front:
            self.front.end()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)


def measure(table, program):
    served = {}
    try:
        for stack in ('kernel', 'weft') + (('relay',) if program.local and 'relay' in table.stacks else ()):
            served[stack] = Served(table.rig, stack, program)
        for _ in range(table.rounds or ROUNDS):
            for ask in program.asks:
                for stack, server in served.items():
                    for value, number in server.ask(ask).items():
                        table.figures.add(ask.case, value, stack, number)
    except RunFailed as e:
        table.fail(program.name, e)
    finally:
        for server in served.values():
            server.end()


def run(table):
    if not {'kernel', 'weft'} <= set(table.stacks):
        table.skip('no programs measured: they need the namespaces of kernel and weft')
        return
    for program in (nginx('off'), nginx('on'), redis(), iperf()):
        if all(shutil.which(need) for need in program.needs):
            measure(table, program)
        else:
            table.skip('no %s measured: it needs the packages %s' % (program.name, program.packages))


def section():
    rows = []
    for nopush in ('off', 'on'):
        name, text = 'nginx-nopush-' + nopush, 'nginx, wrk -c %d, tcp_nopush %s' % (CONNECTIONS, nopush)
        rows += [row(text, '1/s', name, 'rate', 'kernel', '>= 0.8'), row(text + ', p50', 'us', name, 'p50'),
                 row(text + ', p99', 'us', name, 'p99')]
    for depth, text in ((1, 'redis GET, -c 50'), (16, 'redis GET, -c 50 -P 16')):
        rows += [row(text, '1/s', 'redis-get-%d' % depth, 'rate', 'kernel', '>= 0.8', 'relay'),
                 row(text + ', p99', 'us', 'redis-get-%d' % depth, 'p99')]
    for way, text in (('out', 'received by the program'), ('in', 'sent by the program')):
        rows.append(row('iperf3, ' + text, 'Gbit/s', 'iperf3-' + way, 'rate', 'kernel', '>= 0.6'))
    return Section('Unmodified programs by weft run, free', [], rows, run)
