#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""swap_perf.py IN OUT: writes a perf.data file of this little-endian machine as a big-endian one would have.

File mode, not compressed, all events with the same layout. Features whose form is not known here are left out. Knows the
format by itself (perf.data-file-format.txt and linux/perf_event.h of the kernel), not by the code that it tests.
"""
import struct
import sys

TAIL = [(1 << 1, "II"), (1 << 2, "Q"), (1 << 6, "Q"), (1 << 9, "Q"), (1 << 7, "II"), (1 << 16, "Q")]


class Swap:
    """Reads little-endian values and writes the same big-endian."""

    def __init__(self, data):
        self.data, self.at, self.out = data, 0, b""

    def values(self, fmt):
        v = struct.unpack_from("<" + fmt, self.data, self.at)
        self.at += struct.calcsize("<" + fmt)
        self.out += struct.pack(">" + fmt, *v)
        return v

    def raw(self, n):
        assert self.at + n <= len(self.data)
        self.out += self.data[self.at:self.at + n]
        self.at += n

    def string(self):
        self.raw(self.values("I")[0])

    def left(self):
        return len(self.data) - self.at


def swap_attr(data):
    s = Swap(data)
    s.values("IIQQQQ")
    s.out += bytes(int(f"{b:08b}"[::-1], 2) for b in data[s.at:s.at + 8])  # bit-fields begin at the other end
    s.at += 8
    for fmt in ["II", "Q", "Q", "Q", "Q", "Ii", "Q", "IHH", "II", "Q"]:
        if s.left():
            s.values(fmt)
    s.raw(s.left())
    return s.out


class Layout:
    def __init__(self, attr):
        self.type, self.read_format, flags = struct.unpack_from("<QQQ", attr, 24)
        self.branch = struct.unpack_from("<Q", attr, 72)[0] if len(attr) >= 80 else 0
        self.regs = struct.unpack_from("<Q", attr, 80)[0] if len(attr) >= 96 else 0
        self.id_all = flags >> 18 & 1


def read_values(s, fmt):
    n, times, each = 1, (fmt & 1) + (fmt >> 1 & 1), 1 + (fmt >> 2 & 1) + (fmt >> 4 & 1)
    if fmt & 8:
        n = s.values("Q")[0]
    s.values("Q" * (times + n * each))


def sample(s, l):
    for bit, fmt in [(16, "Q"), (0, "Q"), (1, "II"), (2, "Q"), (3, "Q"), (6, "Q"), (9, "Q"), (7, "II"), (8, "Q")]:
        if l.type >> bit & 1:
            s.values(fmt)
    if l.type >> 4 & 1:
        read_values(s, l.read_format)
    if l.type >> 5 & 1:
        s.values("Q" * s.values("Q")[0])
    if l.type >> 10 & 1:
        s.raw(s.values("I")[0])
    if l.type >> 11 & 1:
        n = s.values("Q")[0]
        s.values("Q" * (3 * n + (l.branch >> 17 & 1)))
    if l.type >> 12 & 1 and s.values("Q")[0]:
        s.values("Q" * bin(l.regs).count("1"))
    if l.type >> 13 & 1:
        n = s.values("Q")[0]
        if n:
            s.raw(n)
            s.values("Q")
    s.values("Q" * (s.left() // 8))  # weight, data source, transaction, ...: words


def record(data, l):
    s = Swap(data)
    kind, misc, _ = s.values("IHH")
    tail = [fmt for bit, fmt in TAIL if l.type & bit] if l.id_all and kind < 64 and kind != 9 else []
    end = len(data) - sum(struct.calcsize("<" + f) for f in tail)
    if kind == 9:
        sample(s, l)
    elif kind in (1, 10):
        s.values("IIQQQ")
        if kind == 10:
            if misc & 1 << 14:
                s.raw(24)
            else:
                s.values("IIQQ")
            s.values("II")
    elif kind == 3:
        s.values("II")
    elif kind in (4, 7):
        s.values("IIIIQ")
    elif kind in (2, 5, 6, 11, 13, 68, 79):
        s.values("Q" * ((end - s.at) // 8))
    elif kind == 15:
        s.values("II")
    elif kind == 16:
        s.values("II")
        s.values("QQ" * s.values("Q")[0])
    elif kind == 17:
        s.values("QIHH")
    elif kind == 18:
        s.values("HHI")
    elif kind in (81, 83):
        sys.exit("compressed")
    s.raw(end - s.at)
    for fmt in tail:
        s.values(fmt)
    return s.out


def records(data, l):
    out, at = b"", 0
    while at < len(data):
        size = struct.unpack_from("<H", data, at + 6)[0]
        out += record(data[at:at + size], l)
        at += size
    return out


def feature(number, data):
    s = Swap(data)
    if number == 2:
        while s.left():
            size = s.values("IHH")[2]
            s.values("i")
            s.raw(size - 12)
    elif number in (3, 4, 5, 6, 8, 9):
        s.string()
    elif number == 7:
        s.values("II")
    elif number == 11:
        for _ in range(s.values("I")[0]):
            s.string()
    elif number == 12:
        n, attr_bytes = s.values("II")
        for _ in range(n):
            s.out += swap_attr(data[s.at:s.at + attr_bytes])
            s.at += attr_bytes
            n_ids = s.values("I")[0]
            s.string()
            s.values("Q" * n_ids)
    elif number == 16:
        for _ in range(s.values("I")[0]):
            s.values("I")
            s.string()
    else:
        return None
    s.raw(s.left())
    return s.out


def main(source, target):
    data = open(source, "rb").read()
    magic, _, entry, attrs_at, attrs_n, data_at, data_n, _, _, *flags = struct.unpack_from("<8sQQQQQQQQQQQQ", data)
    assert magic == b"PERFILE2"
    events = []
    for at in range(attrs_at, attrs_at + attrs_n, entry):
        ids_at, ids_n = struct.unpack_from("<QQ", data, at + entry - 16)
        events.append((data[at:at + entry - 16], data[ids_at:ids_at + ids_n]))
    layouts = [Layout(attr) for attr, _ in events]
    assert len({l.type for l in layouts}) == 1
    body = records(data[data_at:data_at + data_n], layouts[0])

    features, at = {}, data_at + data_n
    for bit in range(256):
        if flags[bit // 64] >> bit % 64 & 1:
            offset, size = struct.unpack_from("<QQ", data, at)
            at += 16
            content = feature(bit, data[offset:offset + size])
            if content is not None:
                features[bit] = content

    ids, attrs, at = b"", b"", 104
    for attr, event_ids in events:
        attrs += swap_attr(attr) + struct.pack(">QQ", at + len(ids), len(event_ids))
        s = Swap(event_ids)
        s.values("Q" * (len(event_ids) // 8))
        ids += s.out
    attrs_at = 104 + len(ids)
    data_at = attrs_at + len(attrs)
    contents_at = data_at + len(body) + 16 * len(features)
    table, contents, flags = b"", b"", [0] * 4
    for bit, content in sorted(features.items()):
        flags[bit // 64] |= 1 << bit % 64
        table += struct.pack(">QQ", contents_at + len(contents), len(content))
        contents += content
    header = b"2ELIFREP" + struct.pack(">QQQQQQQQQQQQ", 104, entry, attrs_at, len(attrs), data_at, len(body), 0, 0, *flags)
    open(target, "wb").write(header + ids + attrs + body + table + contents)


main(*sys.argv[1:])
