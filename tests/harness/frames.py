#!/usr/bin/env python3
"""frames.py DEV WEFT_IP CASE: frames made by hand, and what weft answers.  Status 0: it answered as CASE wants.

arp_padded       a request padded to 60 bytes with rubbish is answered
arp_unasked      a reply nobody asked for makes no entry (weft does not answer; the caller looks at `neigh`)
arp_multicast    a request for a multicast address is not answered
echo_padded      an echo request whose frame is padded is answered without the padding
protocol_unknown an IP protocol nobody has is answered by protocol unreachable
ip_bad           five bad IP headers are not answered, the good one after them is
tcp_listen_bad   what means nothing to the listener on port 7 is not answered, an ACK by a reset
tcp_syn_again    a SYN sent three times is answered twice, by the same SYN-ACK; a reset frees the request
tcp_padded       one byte in a frame of 60 is echoed as one byte

The last three speak as 10.0.0.50: weft has a neighbour entry for it.
"""
import select
import socket
import struct
import sys
import time

dev, target, case = sys.argv[1:4]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
raw.bind((dev, 0))
mac = raw.getsockname()[4]
ours = "10.0.0.2"
ip4 = socket.inet_aton


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return struct.pack("!H", s ^ 0xffff)


def arp(op, sip, tip, dst=b"\xff" * 6):
    return dst + mac + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, op) + mac + ip4(sip) + b"\0" * 6 + ip4(tip)


def ip(proto, payload):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 77, 0, 64, proto, 0) + ip4(ours) + ip4(target)
    return head[:10] + checksum(head) + head[12:] + payload


def answer(want, seconds=2.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([raw], [], [], end - time.monotonic())[0]:
            frame, info = raw.recvfrom(70000)
            if info[2] != socket.PACKET_OUTGOING and want(frame):
                return frame
    return None


def is_arp_reply(frame):
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[:6] == mac


def weft_mac():
    raw.send(arp(1, ours, target))
    frame = answer(is_arp_reply)
    return frame[22:28] if frame else sys.exit("no answer to a plain request")


def arp_padded():
    raw.send(arp(1, ours, target) + b"\xa5" * 18)
    return answer(is_arp_reply)


def arp_unasked():
    raw.send(arp(2, "10.0.0.99", target, weft_mac()))
    raw.send(arp(1, ours, target))
    return answer(is_arp_reply)


def arp_multicast():
    raw.send(arp(1, ours, "224.0.0.1"))
    raw.send(arp(1, ours, target))
    frame = answer(is_arp_reply)
    return frame and frame[28:32] == ip4(target) and not answer(is_arp_reply, 0.3)


def echo(sequence, data=b""):
    message = struct.pack("!BBHHH", 8, 0, 0, 4242, sequence) + data
    return message[:2] + checksum(message) + message[4:]


def echo_answer(sequence):
    """To this request, if it is the first answer that comes."""
    frame = answer(lambda f: f[23] == 1 and f[34] == 0 and f[38:40] == struct.pack("!H", 4242))
    return frame if frame and frame[40:42] == struct.pack("!H", sequence) else None


def echo_padded():
    raw.send(weft_mac() + mac + b"\x08\x00" + ip(1, echo(1, b"ab")) + b"\xa5" * 16)
    frame = echo_answer(1)
    return frame and struct.unpack_from("!H", frame, 16)[0] == 30 and frame[42:44] == b"ab" and len(frame) <= 60


def protocol_unknown():
    raw.send(weft_mac() + mac + b"\x08\x00" + ip(253, b"12345678"))
    return answer(lambda f: f[23] == 1 and f[34:36] == b"\3\2")


def ip_bad():
    to = weft_mac() + mac + b"\x08\x00"
    good = ip(1, echo(1))
    raw.send(to + b"\x55" + good[1:])                             # version 5
    raw.send(to + b"\x44" + good[1:])                             # a header of 16 bytes
    longer = good[:2] + b"\x05\xdc" + good[4:10]
    raw.send(to + longer + checksum(longer + good[12:20]) + good[12:])  # than the frame
    raw.send(to + good[:10] + b"\0\0" + good[12:])                # checksum
    raw.send(to + good[:12])                                      # half a header
    raw.send(to + ip(1, echo(2)))
    return echo_answer(2)


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
stranger = "10.0.0.50"


def tcp(sport, dport, flags, seq=1000, ack=0, data=b"", offset=5, spoil=0):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, offset << 4, flags, 8192, 0, 0) + data
    pseudo = ip4(stranger) + ip4(target) + struct.pack("!HH", 6, len(head))
    sum16 = struct.unpack("!H", checksum(pseudo + head))[0] ^ spoil
    head = head[:16] + struct.pack("!H", sum16) + head[18:]
    whole = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head), 77, 0x4000, 64, 6, 0) + ip4(stranger) + ip4(target)
    frame = weft_mac() + mac + b"\x08\x00" + whole[:10] + checksum(whole) + whole[12:] + head
    raw.send(frame + b"\xa5" * (60 - len(frame)))


def segment(port, seconds=2.0):
    """The next segment to this port: its flags, seq, ack and data."""
    frame = answer(lambda f: f[23] == 6 and f[30:34] == ip4(stranger) and f[36:38] == struct.pack("!H", port), seconds)
    if not frame:
        return None
    seq, ack, offset, flags = struct.unpack_from("!IIBB", frame, 38)
    end = 14 + struct.unpack_from("!H", frame, 16)[0]
    return flags, seq, ack, frame[34 + (offset >> 4) * 4:end]


def tcp_listen_bad():
    tcp(5000, 7, RST)
    tcp(5000, 7, SYN | FIN)
    tcp(5000, 7, 0)
    tcp(5000, 7, SYN, spoil=1)
    tcp(5000, 7, SYN, offset=4)
    tcp(5000, 7, ACK, ack=77)
    return segment(5000) == (RST, 77, 0, b"")


def tcp_syn_again():
    tcp(5001, 7, SYN)
    first = segment(5001)
    tcp(5001, 7, SYN)
    again = segment(5001)
    tcp(5001, 7, SYN)
    tcp(5001, 7, RST, seq=1001)
    tcp(5001, 7, ACK, seq=1001, ack=78)     # nobody knows it any more
    last = segment(5001)
    return first and first[0] == SYN | ACK and first[2] == 1001 and again == first and last == (RST, 78, 0, b"")


def tcp_padded():
    tcp(5002, 7, SYN)
    flags, seq, ack, _ = segment(5002)
    tcp(5002, 7, ACK, seq=1001, ack=seq + 1)
    tcp(5002, 7, ACK | PSH, seq=1001, ack=seq + 1, data=b"x")
    echoed = segment(5002)
    while echoed and not echoed[3]:
        echoed = segment(5002)
    tcp(5002, 7, RST, seq=1002)
    return flags == SYN | ACK and echoed and echoed[2:] == (1002, b"x")


sys.exit(0 if globals()[case]() else case + ": not so")
