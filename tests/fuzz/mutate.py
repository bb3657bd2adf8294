"""Damage: octets in, other octets out, every choice drawn from a given random source."""

import struct
from collections.abc import Callable
from random import Random

Mutation = Callable[[bytearray, Random], None]

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEADER = 20
AVP_CODES = (1, 55, 263, 264, 283, 293, 411, 412, 415, 416, 417, 420, 421, 431, 432, 437, 439, 443, 446)
AVP_CODES = (*AVP_CODES, 447, 450, 451, 455, 456, 461, 873, 874, 876, 2000, 9999)


def flip(data: bytearray, random: Random) -> None:
    """One bit."""
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def overwrite(data: bytearray, random: Random) -> None:
    """A few octets by noise."""
    at = random.randrange(len(data))
    noise = random.randbytes(random.randint(1, 8))
    data[at : at + len(noise)] = noise


def edge(data: bytearray, random: Random) -> None:
    """A word by a number at the edge of something."""
    at = random.randrange(max(1, len(data) // 4)) * 4
    data[at : at + 4] = struct.pack(">I", random.choice(EDGES))


def cut(data: bytearray, random: Random) -> None:
    """A piece is missing."""
    at = random.randrange(len(data))
    del data[at : at + random.randint(1, 64)]


def repeat(data: bytearray, random: Random) -> None:
    """A piece stands twice."""
    at = random.randrange(len(data))
    piece = data[at : at + random.randint(1, 200)]
    data[at:at] = piece * random.choice((1, 1, 1, 2, 20))


def insert(data: bytearray, random: Random) -> None:
    """Noise between."""
    at = random.randrange(len(data))
    data[at:at] = random.randbytes(random.randint(1, 40))


ANYTHING: tuple[Mutation, ...] = (flip, overwrite, edge, cut, repeat, insert)


# ---------------------------------------------------------------- Diameter: AVP by AVP


def _avps(data: bytes | bytearray) -> list[tuple[int, int]]:
    """Start and padded end of the AVPs at top level, as far as they can be told apart."""
    found, at = [], HEADER
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 5 : at + 8], "big")
        end = at + max(8, length + -length % 4)
        if end > len(data):
            break
        found.append((at, end))
        at = end
    return found


def _pick(data: bytearray, random: Random) -> tuple[int, int] | None:
    avps = _avps(data)
    return random.choice(avps) if avps else None


def drop_avp(data: bytearray, random: Random) -> None:
    if found := _pick(data, random):
        del data[found[0] : found[1]]


def double_avp(data: bytearray, random: Random) -> None:
    if found := _pick(data, random):
        data[found[0] : found[0]] = data[found[0] : found[1]] * random.choice((1, 1, 3, 120))


def move_avp(data: bytearray, random: Random) -> None:
    """One AVP elsewhere, perhaps into the middle of another."""
    if found := _pick(data, random):
        piece = data[found[0] : found[1]]
        del data[found[0] : found[1]]
        at = HEADER + random.randrange(max(1, (len(data) - HEADER) // 4)) * 4
        data[at:at] = piece


def relabel_avp(data: bytearray, random: Random) -> None:
    """The content of one AVP under the code of another."""
    if found := _pick(data, random):
        data[found[0] : found[0] + 4] = struct.pack(">I", random.choice(AVP_CODES))


def reflag_avp(data: bytearray, random: Random) -> None:
    if found := _pick(data, random):
        data[found[0] + 4] = random.randrange(256)


def resize_avp(data: bytearray, random: Random) -> None:
    """A length that lies."""
    if found := _pick(data, random):
        length = random.choice((0, 4, 7, 8, 9, 12, 13, 0xFFFFFF, random.randrange(2000)))
        data[found[0] + 5 : found[0] + 8] = length.to_bytes(3, "big")


def nest_avp(data: bytearray, random: Random) -> None:
    """One AVP inside groups inside groups."""
    if found := _pick(data, random):
        piece = bytes(data[found[0] : found[1]])
        code = random.choice((443, 456, 437, 446, 873, 284))
        for _ in range(random.choice((1, 2, 11, 12, 13, 50))):
            flags = 0xC0 if code == 873 else 0x40
            header = struct.pack(">II", code, flags << 24 | (12 if code == 873 else 8) + len(piece))
            piece = header + (struct.pack(">I", 10415) if code == 873 else b"") + piece
        data[found[0] : found[1]] = piece


def refill_avp(data: bytearray, random: Random) -> None:
    """Other content of the same length or not."""
    if found := _pick(data, random):
        size = random.choice((0, 1, 2, 4, 8, 8, 16, 300))
        noise = random.choice((random.randbytes(size), bytes(size), b"\xff" * size))
        start, end = found
        code, flags = bytes(data[start : start + 4]), data[start + 4]
        vendor = bytes(data[start + 8 : start + 12]) if flags & 0x80 else b""
        length = 8 + len(vendor) + size
        data[start:end] = code + struct.pack(">I", flags << 24 | length) + vendor + noise + bytes(-length % 4)


def readdress(data: bytearray, random: Random) -> None:
    """Another command, application, flags or identifiers."""
    field = random.randrange(4)
    if field == 0:
        data[4] = random.randrange(256)
    elif field == 1:
        data[5:8] = random.choice((257, 258, 272, 274, 275, 280, 8388635, 0xFFFFFF)).to_bytes(3, "big")
    elif field == 2:
        data[8:12] = struct.pack(">I", random.choice((0, 1, 3, 4, 16777238, 16777302, 0xFFFFFFFF)))
    else:
        data[12:20] = random.randbytes(8)


AVP_WISE: tuple[Mutation, ...] = (
    drop_avp,
    double_avp,
    move_avp,
    relabel_avp,
    reflag_avp,
    resize_avp,
    nest_avp,
    refill_avp,
    readdress,
)


def damage_diameter(good: bytes, random: Random) -> bytes:
    """A damaged message; nearly all keep a Message Length that is true, so that the damage is met further inside."""
    data = bytearray(good)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        random.choice(AVP_WISE if random.random() < 0.7 else ANYTHING)(data, random)
        if len(data) < HEADER:
            data.extend(bytes(HEADER - len(data)))
    if random.random() < 0.998:
        data.extend(bytes(-len(data) % 4))
        del data[60_000:]
        data[0] = data[0] if random.random() < 0.01 else 1
        data[1:4] = len(data).to_bytes(3, "big")
    return bytes(data)


# ---------------------------------------------------------------- SIP: line by line


def _line(data: bytearray, random: Random) -> tuple[int, int]:
    ends = [at for at in range(len(data) - 1) if data[at] == 13 and data[at + 1] == 10] or [len(data) - 2]
    end = random.choice(ends) + 2
    return data.rfind(b"\r\n", 0, end - 2) + 2 if data.rfind(b"\r\n", 0, end - 2) >= 0 else 0, end


def drop_line(data: bytearray, random: Random) -> None:
    start, end = _line(data, random)
    del data[start:end]


def double_line(data: bytearray, random: Random) -> None:
    start, end = _line(data, random)
    data[start:start] = data[start:end] * random.choice((1, 2, 300))


def refill_line(data: bytearray, random: Random) -> None:
    """A header's value by something else."""
    start, end = _line(data, random)
    colon = data.find(b":", start, end)
    if colon >= 0:
        values = (b"", b" ,,,", b" <", b' "\\', b" 99999999999999999999", b" -1", b" \x00\xff\xfe", b" " + b"a;" * 900)
        data[colon + 1 : end - 2] = random.choice((*values, b" " + random.randbytes(20)))


def fold_line(data: bytearray, random: Random) -> None:
    start, end = _line(data, random)
    at = random.randint(start, max(start, end - 2))
    data[at:at] = random.choice((b"\r\n ", b"\r\n\t", b"\n", b"\r", b"\r\n\r\n"))


LINE_WISE: tuple[Mutation, ...] = (drop_line, double_line, refill_line, fold_line)


def damage_sip(good: bytes, random: Random) -> bytes:
    """A damaged message, small enough for a datagram."""
    data = bytearray(good)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        random.choice(LINE_WISE if random.random() < 0.6 else ANYTHING)(data, random)
        if not data:
            data.extend(b"\r\n")
    return bytes(data[:60_000])
