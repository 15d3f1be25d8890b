"""`weft run` as a job of a shell on a terminal: arguments are the command that it is, up to its program; the program is
this script.  Ctrl-Z and signals to the program stop both, fg and bg continue both; without job control only the program
stops."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

SECONDS = 20


def state(pid):
	with open("/proc/%d/stat" % pid) as f:
		return f.read().rsplit(")", 1)[1].split()[0]


def until(what, *args):
	end = time.monotonic() + SECONDS
	while not what(*args):
		assert time.monotonic() < end, (what, args)
		time.sleep(0.02)


def stopped(*pids):
	return all(state(p) == "T" for p in pids)


def running(*pids):
	return all(state(p) != "T" for p in pids)


class Terminal:
	def __init__(self):
		self.pid, self.fd = pty.fork()
		if self.pid == 0:
			os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
		self.text = ""

	def type(self, text):
		os.write(self.fd, text.encode())

	def says(self, command, pattern, what):
		self.type(command)
		return self.see(pattern).group(1) == what

	def see(self, pattern):
		end = time.monotonic() + SECONDS
		while True:
			found = re.search(pattern, self.text)
			if found:
				self.text = self.text[found.end():]
				return found
			assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], (pattern, self.text)
			self.text += os.read(self.fd, 4096).decode(errors="replace")


def on_a_terminal(command):
	t = Terminal()
	t.type(" ".join(command) + "\n")
	pids = [int(p) for p in t.see(r"pids (\d+) (\d+)\r").groups()]
	for stop in (lambda: t.type("\x1a"), lambda: os.kill(pids[0], signal.SIGTSTP), lambda: os.kill(pids[0], signal.SIGSTOP),
			lambda: os.kill(pids[1], signal.SIGTSTP)):
		stop()
		t.see(r"Stopped")
		until(stopped, *pids)
		t.type("fg\n")
		until(running, *pids)
		t.type("word\n")
		t.see(r"read word\r")
	t.type("\x1a")
	t.see(r"Stopped")
	os.kill(pids[1], signal.SIGCONT)  # weft run alone
	until(t.says, "jobs -l\n", r"\[1\]\+ +\d+ (.*?)  .*\r", "Stopped (tty input)")  # the program read in the background
	until(stopped, *pids)
	t.type("fg\n")
	for word in "ignore", "word", "end":
		t.type(word + "\n")
		t.see("read %s\r" % word)
		if word == "ignore":
			t.type("\x1a")  # the program's to take
	t.type("echo status $?\n")
	t.see(r"status 7\r")
	t.type("exit\n")
	os.waitpid(t.pid, 0)


def without_a_shell(command):
	p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
	pids = [int(n) for n in p.stdout.readline().split()[1:]]
	os.kill(pids[0], signal.SIGSTOP)
	until(stopped, pids[0])
	assert running(pids[1])
	os.kill(pids[0], signal.SIGCONT)
	until(running, pids[0])
	p.stdin.write("end\n")
	p.stdin.flush()
	assert p.wait(SECONDS) == 7


def ignoring(command):
	"""A parent that ignores a terminal's stops, and so `weft run` is begun."""
	def own_job():
		os.setpgid(0, 0)
		signal.signal(signal.SIGTSTP, signal.SIG_IGN)
	p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=own_job)
	pids = [int(n) for n in p.stdout.readline().split()[1:]]
	p.stdin.write("default\n")
	p.stdin.flush()
	assert p.stdout.readline() == "read default\n"
	os.kill(pids[0], signal.SIGTSTP)
	until(stopped, *pids)
	os.killpg(p.pid, signal.SIGCONT)
	until(running, *pids)
	p.stdin.write("end\n")
	p.stdin.flush()
	assert p.wait(SECONDS) == 7


def program():
	print("pids", os.getpid(), os.getppid(), flush=True)
	for line in sys.stdin:
		if line.strip() == "ignore":
			signal.signal(signal.SIGTSTP, signal.SIG_IGN)
		if line.strip() == "default":
			signal.signal(signal.SIGTSTP, signal.SIG_DFL)
		print("read", line.strip(), flush=True)
		if line.strip() == "end":
			sys.exit(7)


if len(sys.argv) > 1:
	command = sys.argv[1:] + [sys.executable, os.path.abspath(__file__)]
	on_a_terminal(command)
	without_a_shell(command)
	ignoring(command)
else:
	program()
