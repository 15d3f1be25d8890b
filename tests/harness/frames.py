#!/usr/bin/env python3
"""frames.py DEV WEFT_IP CASE: frames made by hand, and what weft answers.  Status 0: it answered as CASE wants.

arp_padded       a request padded to 60 bytes with rubbish is answered
arp_unasked      a reply nobody asked for makes no entry (weft does not answer; the caller looks at `neigh`)
arp_multicast    a request for a multicast address is not answered
echo_padded      an echo request whose frame is padded is answered without the padding
protocol_unknown an IP protocol nobody has is answered by protocol unreachable
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


def echo_padded():
    echo = struct.pack("!BBHHH", 8, 0, 0, 4242, 1) + b"ab"
    echo = echo[:2] + checksum(echo) + echo[4:]
    raw.send(weft_mac() + mac + b"\x08\x00" + ip(1, echo) + b"\xa5" * 16)
    frame = answer(lambda f: f[23] == 1 and f[34] == 0 and f[38:40] == struct.pack("!H", 4242))
    return frame and struct.unpack_from("!H", frame, 16)[0] == 30 and frame[42:44] == b"ab" and len(frame) <= 60


def protocol_unknown():
    raw.send(weft_mac() + mac + b"\x08\x00" + ip(253, b"12345678"))
    return answer(lambda f: f[23] == 1 and f[34:36] == b"\3\2")


sys.exit(0 if globals()[case]() else case + ": not so")
