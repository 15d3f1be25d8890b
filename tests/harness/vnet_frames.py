#!/usr/bin/env python3
"""vnet_frames.py DEV FILE: looks at every TCP and UDP frame of DEV, with what the kernel knows of it, until
SIGINT; then the checksum of each must stand in it, or be marked as still to be finished and hold the sum of
the pseudo-header.  Touches FILE when it looks."""
import signal
import socket
import struct
import sys

SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL = 263, 15, 3
NEEDS_CSUM = 1


def ones_sum(data, total=0):
    if len(data) & 1:
        data += b"\0"
    total += sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def look(packet, count):
    """None or what is wrong."""
    flags, gso, _, _, start, offset = struct.unpack_from("<BBHHHH", packet)
    frame = packet[10:]
    if frame[12:14] != b"\x08\x00" or frame[23] not in (6, 17):
        return None
    ihl = (frame[14] & 15) * 4
    total, frag = struct.unpack_from("!H2xH", frame, 16)
    if frag & 0x3fff:
        return None
    if ones_sum(frame[14:14 + ihl]) != 0xffff:
        return "IP header checksum"
    if total == 0 and gso and len(frame) > 14 + 0xffff:
        total = len(frame) - 14     # more than the field can tell
        count["big"] += 1
    l4 = frame[14 + ihl:14 + total]
    pseudo = ones_sum(frame[26:34], frame[23] + len(l4))
    count["marked" if flags & NEEDS_CSUM else "finished"] += 1
    count["super"] += gso != 0
    if not flags & NEEDS_CSUM:
        if gso:
            return "a super-frame that is not marked"
        if frame[23] == 17 and l4[6:8] == b"\0\0":
            return None
        return None if ones_sum(l4, pseudo) == 0xffff else "neither finished nor marked"
    if start != 14 + ihl or offset != (16 if frame[23] == 6 else 6):
        return "marked with checksum at %d + %d" % (start, offset)
    field = struct.unpack_from("!H", l4, offset)[0]
    return None if field == pseudo else "marked, without the sum of the pseudo-header"


def main():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)     # SO_RCVBUFFORCE
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.bind((sys.argv[1], ETH_P_ALL))
    stop = []
    signal.signal(signal.SIGINT, lambda *_: stop.append(1))
    s.settimeout(0.2)
    open(sys.argv[2], "w").close()
    count, bad = {"marked": 0, "finished": 0, "super": 0, "big": 0}, []
    while True:
        try:
            packet = s.recv(1 << 18)
        except socket.timeout:
            if stop:
                break
            continue
        why = look(packet, count)
        if why:
            bad.append("%s: %s" % (why, packet[10:74].hex()))
    print(count)
    for line in bad[:10]:
        print(line)
    sys.exit(1 if bad or not count["finished"] + count["marked"] else 0)


main()
