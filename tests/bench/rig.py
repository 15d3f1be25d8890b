"""What the table is measured on: network namespaces, a server of each stack in its own, clients beside it.

Every stack answers at 10.0.0.1 and the client, always on the kernel's sockets, has 10.0.0.2 and up: the
user-space stacks behind a TAP, the kernel behind a veth pair.  Where a stack asks, the kernel serves at 10.0.0.2.  Placement is by taskset:

    free   neither end is bound
    split  the client on CPU 0, the server (all its threads) on CPU 1
    one    both on CPU 0
"""
import os
import signal
import subprocess
import time

from rows import WAYS

SERVER = '10.0.0.1'
CLIENT = '10.0.0.2'
WEFT = ['-w', 'tap0,' + SERVER + '/24']
CLIENT_ADDRESSES = 8
PLACES = {'free': ([], []), 'split': (['taskset', '-c', '0'], ['taskset', '-c', '1']),
          'one': (['taskset', '-c', '0'], ['taskset', '-c', '0'])}


class RunFailed(Exception):
    pass


def ip(*words):
    subprocess.run(('ip',) + words, check=True)


def cpu_of(pid):
    """CPU seconds of a running process with all its threads, those that ended too."""
    return time.clock_gettime(~pid << 3 | 2)


def cpu_of_softirqs():
    """What the kernel did for nobody: the time of its ksoftirqd threads."""
    total = 0
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/comm' % pid) as f:
                if not f.read().startswith('ksoftirqd'):
                    continue
            with open('/proc/%s/schedstat' % pid) as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


class Server:
    """A stack that serves, until end()."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b'ready\n':
            self.end()
            raise RunFailed('no server: ' + ' '.join(command))

    @property
    def pid(self):
        return self.process.pid

    def rss(self):
        with open('/proc/%d/status' % self.pid) as f:
            for line in f:
                if line.startswith('VmRSS:'):
                    return int(line.split()[1]) * 1024
        raise RunFailed('no memory of the server')

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Rig:
    def __init__(self, build, number=0):
        self.folder = os.path.join(build, 'tests/bench')
        self.bench = os.path.join(self.folder, 'bench')
        self.prefix = 'weft-bench-%d-%d-' % (os.getpid(), number)
        self.namespaces = []
        self.asked = 0

    def namespace(self, name):
        ip('netns', 'add', self.prefix + name)
        self.namespaces.append(self.prefix + name)
        return self.prefix + name

    def addresses(self, ns, dev):
        for i in range(CLIENT_ADDRESSES):
            ip('-n', ns, 'addr', 'add', '10.0.0.%d/24' % (2 + i), 'dev', dev)
        ip('-n', ns, 'link', 'set', dev, 'up')

    @staticmethod
    def set_ipv4(ns, *settings):
        for setting in settings:
            ip('netns', 'exec', ns, 'sysctl', '-qw', 'net.ipv4.' + setting)

    def all_ports(self, ns):
        """All but those of the services, which a client's leftover would keep one from."""
        self.set_ipv4(ns, 'ip_local_port_range=10000 65535', 'tcp_max_tw_buckets=262144')

    def timewait(self, stack, on):
        """Of the clients' end: a client that closes first would run out of ports in a second."""
        self.set_ipv4(self.prefix + stack, 'tcp_max_tw_buckets=%d' % (262144 if on else 0))

    def open(self, stacks):
        for stack in stacks:
            ns = self.namespace(stack)
            if stack == 'kernel':
                server = self.namespace('kernel-server')
                ip('-n', ns, 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1', 'netns', server)
                ip('-n', server, 'addr', 'add', SERVER + '/24', 'dev', 'veth1')
                ip('-n', server, 'link', 'set', 'veth1', 'up')
                self.all_ports(server)
                self.addresses(ns, 'veth0')
            else:
                queues = ('multi_queue',) if stack == 'queues' else ()
                ip('-n', ns, 'tuntap', 'add', 'dev', 'tap0', 'mode', 'tap', 'vnet_hdr', *queues)
                self.addresses(ns, 'tap0')
            self.all_ports(ns)

    def close(self):
        for ns in self.namespaces:
            pids = subprocess.run(('ip', 'netns', 'pids', ns), stdout=subprocess.PIPE).stdout
            for pid in pids.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            subprocess.run(('ip', 'netns', 'del', ns))
        self.namespaces = []

    def within(self, ns, place, command):
        return ['ip', 'netns', 'exec', self.prefix + ns] + place + command

    def offload(self, on):
        """Of the veth pair; a TAP has what its stack asks for."""
        for ns, dev in (('kernel', 'veth0'), ('kernel-server', 'veth1')):
            tool = [os.path.join(self.folder, 'offload'), dev, 'on' if on else 'off']
            subprocess.run(self.within(ns, [], tool), check=True)

    def floor(self):
        """Of weft's namespace while no weft is there."""
        command = self.within('weft', PLACES['one'][0], [os.path.join(self.folder, 'floor'), 'tap0'])
        done = subprocess.run(command, stdout=subprocess.PIPE)
        if done.returncode:
            raise RunFailed('floor')
        return done.stdout.decode()

    def turn_round(self, way):
        """Like floor(), for the client of weft on one CPU, until it is ended."""
        return Server(self.within('weft', PLACES['one'][1], [os.path.join(self.folder, 'waits'), 'tap0', way]))

    def serve(self, stack, place, options=(), offload=True, asks=False):
        """`asks`: the stack is the client, and what serves has the kernel's sockets at the other end."""
        kernel = [self.bench] + list(options) + ['serve']
        own = {'kernel': kernel,
               'weft': [self.bench] + WEFT + ([] if offload else ['-o']) + list(options) + ['serve'],
               'lwip': [os.path.join(self.folder, 'lwip'), 'tap0'],
               'gvisor': [os.path.join(self.folder, 'gvisor'), 'tap0']}.get(stack) or self.bare(stack, offload)
        if asks:
            return Server(self.within(stack, PLACES[place][1], kernel))
        return Server(self.within(self.own(stack), PLACES[place][1], own))

    def relay(self, path):
        """The bare responder in front of a program that listens at an AF_UNIX path."""
        return Server(self.within('relay', [], [os.path.join(self.folder, 'bare'), 'tap0', 'relay=' + path]))

    def bare(self, stack, offload):
        return [os.path.join(self.folder, 'bare'), 'tap0', *WAYS[stack]] + ([] if offload else ['plain'])

    @staticmethod
    def own(stack):
        """Where a stack's own sockets are; the client of one that serves is where its name says."""
        return 'kernel-server' if stack == 'kernel' else stack

    def asking(self):
        """Each run of weft that asks has an address of its own: to the kernel's TIME-WAIT of the last run it would
        be a stranger, held up for a second."""
        self.asked = (self.asked + 1) % 150
        return ['-w', 'tap0,10.0.0.%d/24' % (100 + self.asked)]

    def client(self, stack, place, arguments, seconds, asks=False):
        command = [self.bench] + (self.asking() if asks and stack == 'weft' else [])
        command += list(arguments) + [CLIENT if asks else SERVER, str(seconds)]
        ns = self.own(stack) if asks else stack
        return subprocess.Popen(self.within(ns, PLACES[place][0], command), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)

    def ask(self, stack, place, arguments, seconds, asks=False):
        """The client's numbers, and the CPU seconds that it took itself."""
        client = self.client(stack, place, arguments, seconds, asks)
        before = signal.signal(signal.SIGALRM, lambda *_: client.kill())
        signal.alarm(int(seconds) + 15)
        text = client.stdout.read()
        _, status, usage = os.wait4(client.pid, 0)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        client.returncode = status
        client.stdin.close()
        client.stdout.close()
        if status != 0:
            raise RunFailed('%s: %s' % (stack, ' '.join(arguments)))
        return [float(word) for word in text.split()], usage.ru_utime + usage.ru_stime
