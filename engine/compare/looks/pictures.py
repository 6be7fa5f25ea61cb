"""PNG pictures, pixel by pixel, with no library but zlib.

A mean over a whole figure hides a curve that has moved: most of a figure is paper. So each part of it is held to a
tolerance too.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import ne, sub
from typing import BinaryIO

from .base import MEAN, PART, PIECE, SIDE, Differs, Unreadable, open_regular

PIXEL_BYTES = 256 * 1024 * 1024  # of a picture, unpacked

MAGIC = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
# Adam7: (first column, first row, column step, row step) of seven smaller pictures, one after the other.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(one: str, other: str) -> str:
    """Two PNGs of the same size and kind."""
    with open_regular(one) as a, open_regular(other) as b:
        left, right = _Picture(a), _Picture(b)
        if left.form != right.form:
            raise Differs(f"{left.said()}, now {right.said()}")
        tally = _Tally(left)
        for columns, rows in left.passes():
            tally.begin_pass(columns)
            _compare(left, right, columns, rows, tally)
        if left.palette != right.palette:
            raise Differs("the colours of its palette differ")
        return tally.verdict()


class _Picture:
    """A PNG that is read row by row."""

    def __init__(self, file: BinaryIO) -> None:
        self.palette = b""
        self._file = file
        if file.read(8) != MAGIC:
            raise Unreadable("it is not a PNG")
        name, data = next(self._chunks(), (b"", b""))
        if name != b"IHDR" or len(data) != 13:
            raise Unreadable("it is not a PNG: it has no header")
        self.width, self.height, self.depth, self.colour, _, _, self.interlaced = struct.unpack(">IIBBBBB", data)
        self.channels = _CHANNELS.get(self.colour, 0)
        self.bits = self.depth * self.channels
        if self.bits not in (1, 2, 4, 8, 16, 24, 32, 48, 64) or not self.width or not self.height:
            raise Unreadable("it is not a PNG: its header makes no sense")
        if self.height * self.width * self.bits // 8 > PIXEL_BYTES:
            raise Unreadable(f"{self.said()}: too large to be compared")
        self._pieces = self._unpack()
        self._piece = memoryview(b"")

    @property
    def form(self) -> tuple[int, ...]:
        """What two pictures must have in common."""
        return self.width, self.height, self.depth, self.colour, self.interlaced

    def said(self) -> str:
        """Its form in words."""
        colours = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}.get(self.colour, "?")
        return f"{self.width} × {self.height} pixels, {colours}, {self.depth} bits"

    def passes(self) -> list[tuple[int, int]]:
        """(columns, rows) of each picture that it consists of."""
        if not self.interlaced:
            return [(self.width, self.height)]
        sizes = [((self.width - x + dx - 1) // dx, (self.height - y + dy - 1) // dy) for x, y, dx, dy in _ADAM7]
        return [size for size in sizes if all(size)]

    def take(self, count: int) -> bytes:
        """The next `count` unpacked bytes."""
        if len(self._piece) < count:
            parts = [bytes(self._piece)]
            missing = count - len(self._piece)
            while missing > 0:
                more = next(self._pieces, None)
                if more is None:
                    raise Unreadable("it is cut off: rows are missing")
                parts.append(more)
                missing -= len(more)
            self._piece = memoryview(b"".join(parts))
        taken, self._piece = bytes(self._piece[:count]), self._piece[count:]
        return taken

    def _unpack(self) -> Iterator[bytes]:
        stream = zlib.decompressobj()
        try:
            for name, data in self._chunks():
                if name in (b"PLTE", b"tRNS"):
                    self.palette += name + data
                packed = data if name == b"IDAT" else b""
                while packed:
                    yield stream.decompress(packed, PIECE)
                    packed = stream.unconsumed_tail
        except zlib.error as error:
            raise Unreadable(f"it is damaged: {error}") from None

    def _chunks(self) -> Iterator[tuple[bytes, bytes]]:
        while len(start := self._file.read(8)) == 8:
            length, name = struct.unpack(">I4s", start)
            data = self._file.read(min(length, PIXEL_BYTES))
            end = self._file.read(4)
            if len(data) < length or len(end) < 4:
                raise Unreadable("it is cut off")
            if struct.unpack(">I", end)[0] != zlib.crc32(data, zlib.crc32(name)):
                raise Unreadable("it is damaged: a checksum is wrong")
            yield name, data


def _compare(left: _Picture, right: _Picture, columns: int, rows: int, tally: _Tally) -> None:
    """Compare rows. Those that are stored alike below rows that are alike are alike, and are not even restored before a
    row comes that needs them: what takes Python seconds is left out for most of two pictures."""
    size, step = -(-columns * left.bits // 8), max(1, left.bits // 8)
    above = now = bytes(size)
    alike: list[tuple[int, bytes]] = []  # rows below `above` that are stored alike and not restored yet
    for number in range(rows):
        filtering, raw = left.take(1)[0], left.take(size)
        filtering_now, raw_now = right.take(1)[0], right.take(size)
        if max(filtering, filtering_now) > 4:
            raise Unreadable("it is damaged: a row has an unknown filter")
        same = (filtering, raw) == (filtering_now, raw_now)
        if filtering < 2 and same:  # it needs nothing of the rows above
            alike, above = [], now
        if same and above == now:
            alike.append((filtering, raw))
            continue
        for one in alike:
            above = now = _restored(*one, above, step)
        alike = []
        above, now = _restored(filtering, raw, above, step), _restored(filtering_now, raw_now, now, step)
        if above != now:
            tally.row(number, above, now)


def _restored(filtering: int, raw: bytes, above: bytes, step: int) -> bytes:
    """A row as it was before its filter, `step` bytes a pixel."""
    match filtering:
        case 0:
            return raw
        case 1:
            row = bytearray(len(raw))
            for channel in range(step):
                row[channel::step] = bytes(map((255).__and__, accumulate(raw[channel::step])))
            return bytes(row)
        case 2:
            return _sum(raw, above)
        case 3:
            return _averaged(raw, above, step)
        case _:
            return _paeth(raw, above, step)


def _sum(one: bytes, other: bytes) -> bytes:
    """Byte by byte, each modulo 256; as two long numbers, since there the loop is not Python's."""
    low = int.from_bytes(b"\x7f" * len(one), "little")
    a, b = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    return (((a & low) + (b & low)) ^ ((a ^ b) & ~low)).to_bytes(len(one), "little")


def _averaged(raw: bytes, above: bytes, step: int) -> bytes:
    row = bytearray(len(raw) + step)  # a pixel of zeros stands before it
    for at, (value, up) in enumerate(zip(raw, above, strict=True)):
        row[at + step] = (value + ((row[at] + up) >> 1)) & 255
    return bytes(row[step:])


def _paeth(raw: bytes, above: bytes, step: int) -> bytes:
    size = len(raw)
    row = bytearray(size + step)
    corner = bytearray(step) + above
    at = 0
    while at < size:
        if not raw[at] and row[at : at + step] == corner[at : at + step]:
            # Where nothing is added and the left is as the corner, the row goes on like the one above.
            end = size - len(raw[at:].lstrip(b"\0"))
            end -= end % step
            if end > at:
                row[at + step : end + step] = above[at:end]
                at = end
                continue
        for place in range(at, min(at + step, size)):
            left, up, edge = row[place], above[place], corner[place]
            by_left, by_up, by_edge = abs(up - edge), abs(left - edge), abs(left + up - 2 * edge)
            guess = left if by_left <= by_up and by_left <= by_edge else up if by_up <= by_edge else edge
            row[place + step] = (raw[place] + guess) & 255
        at += step
    return bytes(row[step:])


class _Tally:
    """Adds up how much two pictures differ, over all and part by part."""

    def __init__(self, picture: _Picture) -> None:
        self._picture = picture
        self._palette = picture.colour == _PALETTE
        self._range = 1 if self._palette else (1 << picture.depth) - 1
        self._columns = self._band = 0
        self._parts: dict[int, int] = {}
        self._total = self._pixels = 0
        self._worst, self._where = 0, (0, 0)

    def begin_pass(self, columns: int) -> None:
        """The next rows have so many pixels."""
        self._flush()
        self._columns, self._band = columns, 0

    def row(self, number: int, one: bytes, other: bytes) -> None:
        """Two rows that differ."""
        if number // SIDE != self._band:
            self._flush()
            self._band = number // SIDE
        channels = self._picture.channels
        ones, others = self._samples(one), self._samples(other)
        width = SIDE * channels
        for part in range(-(-self._columns // SIDE)):
            a, b = ones[part * width : (part + 1) * width], others[part * width : (part + 1) * width]
            if a != b:
                gap = sum(map(ne, a, b)) if self._palette else sum(map(abs, map(sub, a, b)))
                self._parts[part] = self._parts.get(part, 0) + gap
                self._pixels += sum(a[at : at + channels] != b[at : at + channels] for at in range(0, len(a), channels))

    def verdict(self) -> str:
        """What was found, in words; raises Differs when it is too much."""
        self._flush()
        if not self._pixels:
            return "the same pixels"
        picture = self._picture
        whole = picture.width * picture.height
        mean = self._total / (whole * picture.channels * self._range)
        worst = self._worst / (SIDE * SIDE * picture.channels * self._range)
        found = f"{_share(self._pixels / whole)} of the pixels differ, by {_share(mean)} of the range on average"
        x, y = self._where
        local = f"{_share(worst)} in the part of {SIDE} × {SIDE} pixels at ({x}, {y})"
        allowed = f"at most {MEAN * 100:g} % on average and {PART * 100:g} % in any part"
        if mean > MEAN or worst > PART:
            raise Differs(f"{found}, and {local}; {allowed} count as alike")
        return f"{found}, and {local}, within {allowed.removeprefix('at most ')}"

    def _flush(self) -> None:
        for part, gap in self._parts.items():
            self._total += gap
            if gap > self._worst:
                self._worst, self._where = gap, (part * SIDE, self._band * SIDE)
        self._parts.clear()

    def _samples(self, row: bytes) -> Sequence[int]:
        depth = self._picture.depth
        if depth == 8:
            return row
        if depth == 16:
            samples = array("H", row)
            if sys.byteorder == "little":
                samples.byteswap()
            return samples
        mask = (1 << depth) - 1
        unpacked = bytes(byte >> shift & mask for byte in row for shift in range(8 - depth, -1, -depth))
        return unpacked[: self._columns]


def _share(value: float) -> str:
    """A share in per cent, with as many digits as it takes not to be zero."""
    return f"{value * 100:.2g} %"
