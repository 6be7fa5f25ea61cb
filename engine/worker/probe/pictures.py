"""Looks at pictures: their size, and whether anything is on them. A PNG needs no library but zlib."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from engine.worker.probe.base import Bad, Job, open_regular

PIXEL_BYTES = 512 * 1024 * 1024  # largest decoded PNG that is looked through
PIECE_BYTES = 64 * 1024  # unpacked at a time


def look_at_image(job: Job) -> str:
    """Format and size, and whether all pixels are alike."""
    with open_regular(job["path"]) as file:
        if file.read(8) == b"\x89PNG\r\n\x1a\n":
            kind, (width, height), blank = "PNG", *_png(file, job["not_blank"])
        else:
            file.seek(0)
            kind, (width, height), blank = _picture(file, job["not_blank"])
    found = f"{kind}, {width} × {height} pixels"
    if width < job["min_width"] or height < job["min_height"]:
        raise Bad(f"{found}; smaller than {job['min_width']} × {job['min_height']}")
    if blank:
        raise Bad(f"{found}; blank: every pixel has the same colour")
    return found + (", not blank" if job["not_blank"] else "")


def _picture(file: BinaryIO, look: bool) -> tuple[str, tuple[int, int], bool]:
    try:
        from PIL import Image  # pyright: ignore
    except ImportError:
        raise Bad(f"it is not a PNG, and {sys.executable} has no Pillow to read other pictures with") from None
    try:
        picture: Any = Image.open(file)
        lowest_highest: Any = picture.convert("RGBA").getextrema() if look else ()
    except Exception as error:
        said = str(error).partition(" <")[0]  # behind it stands how Python shows an open file
        raise Bad(f"it is not a picture that can be read: {said}") from None
    return picture.format, picture.size, bool(look and all(low == high for low, high in lowest_highest))


def _png(file: BinaryIO, look: bool) -> tuple[tuple[int, int], bool]:
    """((width, height), whether all pixels are alike)."""
    name, data = next(_chunks(file), (b"", b""))
    if name != b"IHDR" or len(data) != 13:
        raise Bad("it is not a PNG: it has no header")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data)
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    if bits not in (1, 2, 4, 8, 16, 24, 32, 48, 64) or not width or not height:
        raise Bad("it is not a PNG: its header makes no sense")
    here = file.tell()
    file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
    if b"IEND\xaeB`\x82" not in file.read():
        raise Bad(f"PNG, {width} × {height} pixels; it is cut off")
    file.seek(here)
    if not look:
        return (width, height), False
    if height * width * bits // 8 > PIXEL_BYTES:
        raise Bad(f"PNG, {width} × {height} pixels; too large to look through")
    passes = [(width, height)]
    if interlaced:  # Adam7: seven smaller pictures, one after the other
        grid = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        passes = [((width - x + dx - 1) // dx, (height - y + dy - 1) // dy) for x, y, dx, dy in grid]
    try:
        return (width, height), _all_alike(_Pixels(file), [one for one in passes if all(one)], bits)
    except zlib.error as error:
        raise Bad(f"PNG, {width} × {height} pixels; it is damaged: {error}") from None


def _all_alike(stream: _Pixels, passes: list[tuple[int, int]], bits: int) -> bool:
    """Whether every pixel (of so many bits) is like the first; reads rows only until one differs.

    As long as all rows were of one colour, what the five PNG filters make of one more such row is known beforehand, so
    rows are compared as they are stored and never unfiltered, which would take Python seconds for a figure.
    """
    step = max(1, bits // 8)
    pixel = b""
    for columns, rows in passes:
        whole, rest = divmod(columns * bits, 8)
        above, last_above = bytes(step), 0
        for _ in range(rows):
            filtering, raw = stream.take(1)[0], stream.take(whole + (rest > 0))
            if filtering > 4:
                raise Bad("it is damaged: a row has an unknown filter")
            if not pixel:  # nothing stands before or above it, so every filter leaves it as it is
                pixel = raw[:step] if bits >= 8 else bytes([(raw[0] >> 8 - bits) * (255 // ((1 << bits) - 1))])
            head = bytes((p - _predicted(filtering, 0, up, 0)) & 255 for p, up in zip(pixel, above))  # noqa: B905
            tail = bytes((p - _predicted(filtering, p, up, up)) & 255 for p, up in zip(pixel, above))  # noqa: B905
            if raw[:whole] != (head + tail * (whole // step - 1) if whole else b""):
                return False
            if rest:  # a last byte that pixels fill in part
                left, corner = (pixel[0], above[0]) if whole else (0, 0)
                last_above = (raw[whole] + _predicted(filtering, left, last_above, corner)) & 255
                if last_above >> 8 - rest != pixel[0] >> 8 - rest:
                    return False
            above = pixel
    return True


def _predicted(filtering: int, left: int, up: int, corner: int) -> int:
    """What a PNG filter expects of a byte, by its neighbours."""
    if filtering == 4:
        guess = left + up - corner
        return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
    return (0, left, up, (left + up) // 2)[filtering]


class _Pixels:
    """A PNG's image data, unpacked piece by piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._pieces = self._unpack(file)
        self._piece = b""

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._piece) < count:
            more = next(self._pieces, None)
            if more is None:
                raise Bad("it is cut off: rows are missing")
            self._piece += more
        taken, self._piece = self._piece[:count], self._piece[count:]
        return taken

    def _unpack(self, file: BinaryIO) -> Iterator[bytes]:
        stream = zlib.decompressobj()
        for name, data in _chunks(file):
            for at in range(0, len(data) if name == b"IDAT" else 0, PIECE_BYTES):
                packed = data[at : at + PIECE_BYTES]
                while packed:
                    yield stream.decompress(packed, PIECE_BYTES)
                    packed = stream.unconsumed_tail


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while len(start := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        data = file.read(min(length, PIXEL_BYTES))
        end = file.read(4)
        if len(data) < length or len(end) < 4:
            raise Bad("it is cut off")
        if struct.unpack(">I", end)[0] != zlib.crc32(data, zlib.crc32(name)):
            raise Bad("it is damaged: a checksum is wrong")
        yield name, data
