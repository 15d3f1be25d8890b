#!/usr/bin/env python3
"""silence.py CAPTURE SENDER [SLACK_MS [STALLS]]: no silence of a sender with data is longer than the RTO it had armed.

CAPTURE is a pcap of wire frames, taken where the sender's segments leave before anything can lose them.  The
RTO is worked out from the capture alone as RFC 6298 says: samples by the timestamp that an acknowledgement
gives back (RFC 7323, 4), or of segments sent once where there is none (Karn), at least 200 ms over the smoothed round trip (Linux's floor, which is the highest of the readings of rule 2.4), doubled
by each retransmission that a silence ended, or whose segment had been out for an RTO when nothing was heard
(a sender may count from there and not from the last ACK), put back by each acknowledgement that advances.  A sender that
the window holds back is not silent; else it has data from its SYN to its FIN.  The time of STALLS, which stalls.py
writes, is nobody's silence: no timer runs out in it.
"""
import struct
import sys

FLOOR = 0.200
FIRST = 1.0     # RFC 6298, 2.1
MOST = 120.0
FIN, SYN, RST, ACK = 1, 2, 4, 16


def seq_lt(a, b):
    return ((a - b) & 0xffffffff) > 0x7fffffff


def records(path):
    with open(path, "rb") as f:
        data = f.read()
    magic = struct.unpack_from("<I", data)[0]
    unit = {0xa1b23c4d: 1e-9, 0xa1b2c3d4: 1e-6}[magic]
    at = 24
    while at + 16 <= len(data):
        sec, part, have, _ = struct.unpack_from("<IIII", data, at)
        yield sec + part * unit, data[at + 16:at + 16 + have]
        at += 16 + have


class Stalls:
    """When the machine stood still, in order; those of several CPUs may overlap."""

    def __init__(self, path=None):
        self.spans = []
        for line in open(path) if path else ():
            self.spans.append(tuple(map(float, line.split())))
        self.spans.sort()

    def within(self, begin, end):
        total = 0.0
        for start, stop in self.spans:
            start, stop = max(start, begin), min(stop, end)
            if start < stop:
                total += stop - start
                begin = stop
        return total


class Segment:
    """A TCP segment of an ethernet frame; None of its fields when it is something else."""

    def __init__(self, frame):
        self.ok = len(frame) >= 54 and frame[12:14] == b"\x08\x00" and frame[23] == 6
        if not self.ok:
            return
        ihl = (frame[14] & 15) * 4
        total = struct.unpack_from("!H", frame, 16)[0]
        self.src = ".".join(map(str, frame[26:30]))
        sport, dport, self.seq, self.ack, off, self.flags, self.window = struct.unpack_from(
            "!HHIIBBH", frame, 14 + ihl)
        hlen = (off >> 4) * 4
        self.ports = (sport, dport)
        self.len = total - ihl - hlen
        self.end = (self.seq + self.len + bool(self.flags & SYN) + bool(self.flags & FIN)) & 0xffffffff
        self.wscale = self.tsval = self.tsecr = None
        self.parse(frame[14 + ihl + 20:14 + ihl + hlen])

    def parse(self, options):
        at = 0
        while at < len(options) and options[at] != 0:
            if options[at] == 1:
                at += 1
                continue
            if at + 1 >= len(options) or options[at + 1] < 2:
                break
            if options[at] == 3:
                self.wscale = options[at + 2]
            if options[at] == 8:
                self.tsval, self.tsecr = struct.unpack_from("!II", options, at + 2)
            at += options[at + 1]


class Sender:
    """What one end of a connection has sent, and how long it may be silent."""

    def __init__(self, iss, now):
        self.una = iss
        self.nxt = iss
        self.edge = None        # right edge of the peer's window
        self.scales = [None, None]
        self.sent = {}          # end of a segment -> when; removed when it is sent again
        self.stamped = {}       # timestamp -> when it was sent first
        self.srtt = self.rttvar = None
        self.backoff = 0
        self.last = now         # when the timer was put back
        self.heard = now        # the last segment of the peer
        self.mss = 536
        self.ended = False
        self.worst = 0.0
        self.silences = []

    def rto(self):
        if self.srtt is None:
            base = FIRST
        else:
            base = self.srtt + max(FLOOR, 4 * self.rttvar)
        return min(base * 2 ** self.backoff, MOST)

    def sample(self, r):
        if self.srtt is None:
            self.srtt, self.rttvar = r, r / 2
            return
        self.rttvar = 0.75 * self.rttvar + 0.25 * abs(self.srtt - r)
        self.srtt = 0.875 * self.srtt + 0.125 * r

    def held_back(self):
        """Nothing is out and the window takes no segment: the persist timer's business."""
        if self.una != self.nxt or self.edge is None:
            return False
        return ((self.edge - self.nxt) & 0xffffffff) < self.mss or seq_lt(self.edge, self.nxt)

    def judge(self, silence, rto, slack):
        if self.held_back() or self.ended:
            return
        self.worst = max(self.worst, silence / rto)
        if silence > rto * 1.05 + slack:
            self.silences.append((self.last, silence, rto, self.backoff))

    def transmit(self, now, seg, slack, stalls):
        silence, rto = now - self.last, self.rto()
        self.judge(silence - stalls.within(self.last, now), rto, slack)
        again = seq_lt(seg.seq, self.nxt)
        aged = now - self.sent.get(seg.end, now) > 0.8 * rto and now - self.heard > 0.01
        if again and (silence > 0.8 * rto or aged):
            self.backoff += 1
        if again:
            for end in [e for e in self.sent if seq_lt(seg.seq, e) and not seq_lt(seg.end, e)]:
                del self.sent[end]
        else:
            self.sent[seg.end] = now
            self.nxt = seg.end
        if seg.tsval is not None:
            self.stamped.setdefault(seg.tsval, now)
        self.mss = max(self.mss, seg.len)
        self.last = now
        self.ended = self.ended or bool(seg.flags & FIN)

    def acked(self, now, seg):
        self.heard = now
        scale = 0
        if not seg.flags & SYN and None not in self.scales:
            scale = self.scales[1]
        shut = self.held_back()
        edge = (seg.ack + (seg.window << scale)) & 0xffffffff
        if self.edge is None or seq_lt(self.edge, edge):
            self.edge = edge
        if shut and not self.held_back():
            self.last, self.backoff = now, 0
        if not seq_lt(self.una, seg.ack) or seq_lt(self.nxt, seg.ack):
            return
        self.una = seg.ack
        ends = [e for e in self.sent if not seq_lt(seg.ack, e)]
        if seg.tsecr in self.stamped:
            self.sample(now - self.stamped[seg.tsecr])
        elif seg.ack in self.sent and seg.tsecr is None:
            self.sample(now - self.sent[seg.ack])
        for end in ends:
            del self.sent[end]
        self.last, self.backoff = now, 0


def check(path, address, slack, stalls):
    conns, count = {}, 0
    for now, frame in records(path):
        seg = Segment(frame)
        if not seg.ok:
            continue
        mine = seg.src == address
        key = seg.ports if mine else seg.ports[::-1]
        if seg.flags & SYN and mine and (key not in conns or conns[key].ended):
            conns[key] = Sender(seg.seq, now)
        sender = conns.get(key)
        if sender is None:
            continue
        if seg.flags & RST:
            sender.ended = True
        if seg.flags & SYN:
            sender.scales[0 if mine else 1] = seg.wscale
        if mine and seg.end != seg.seq:
            sender.transmit(now, seg, slack, stalls)
            count += 1
        elif not mine and seg.flags & ACK:
            sender.acked(now, seg)
    return list(conns.values()), count


def main():
    slack = float(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 0.1
    stalls = Stalls(*sys.argv[4:5])
    senders, count = check(sys.argv[1], sys.argv[2], slack, stalls)
    if not senders or count < 3:
        sys.exit("the capture has no connection of %s" % sys.argv[2])
    bad = [s for sender in senders for s in sender.silences]
    for last, silence, rto, backoff in bad[:10]:
        print("from %.6f silent for %.3f s, RTO %.3f s (doubled %d times)" % (last, silence, rto, backoff))
    print("%d segments, worst silence %.0f %% of the RTO" % (count, 100 * max(s.worst for s in senders)))
    sys.exit("%d silences longer than the RTO" % len(bad) if bad else 0)


if __name__ == "__main__":
    main()
