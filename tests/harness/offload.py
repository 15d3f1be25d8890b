#!/usr/bin/python3
"""offload.py IFNAME on|off: checksum and segmentation offload of an interface, as ethtool -K does."""
import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
SETTINGS = {"tx checksum": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}  # ETHTOOL_S...

name, value = sys.argv[1].encode(), int(sys.argv[2] == "on")
order = list(SETTINGS) if value else list(SETTINGS)[::-1]  # no TSO without checksums
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for setting in order:
        data = array.array("B", struct.pack("II", SETTINGS[setting], value))
        request = struct.pack("16sP", name, data.buffer_info()[0])
        fcntl.ioctl(s.fileno(), SIOCETHTOOL, request)
