#!/usr/bin/env python3
"""stalls.py: when the machine stood still, a line each: from, until, in seconds of the wall clock.

On each CPU a thread sleeps for a moment, again and again.  What wakes it late holds up everybody's timers there:
a virtual machine that is not run, or a CPU that others have.
"""
import os
import threading
import time

MOMENT = 0.010
LATE = 0.010


def watch(cpu):
    os.sched_setaffinity(0, {cpu})     # this thread's
    while True:
        due = time.time() + MOMENT
        time.sleep(MOMENT)
        now = time.time()
        if now > due + LATE:
            os.write(1, b"%.6f %.6f\n" % (due, now))


def main():
    threads = [threading.Thread(target=watch, args=(cpu,)) for cpu in os.sched_getaffinity(0)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


main()
