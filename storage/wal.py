"""What the write-ahead log should hold and does not: SQLite itself passes over what is cut off or damaged, silently.

The index beside it (`-shm`) says how many frames were committed, and is left behind by a process that was killed. The
layout of both is documented (sqlite.org/walformat.html) and has not changed since 2010. Everything is only read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

_VERSION = 3007000
_INDEX = 136  # bytes: the header twice, and how far checkpoints have come
_LOG_HEADER = 32
_FRAME_HEADER = 24
_TRIES = 5  # to read the index and the log as of one moment, though someone writes
_MASK = 0xFFFFFFFF


class _Index(NamedTuple):
    """What the index says of the log."""

    frames: int  # committed
    backfilled: int  # of those, in the database itself already
    page: int  # bytes
    salt: bytes


def lost(path: Path, *, thorough: bool = False, told: Callable[[int, int], None] | None = None) -> str | None:
    """What the write-ahead log of a database has lost, in words, or None. `thorough`: every frame is read and its
    checksum compared; `told` is called with the frames done and those in all.

    Raises:
        OSError: it cannot be read.
    """
    log = path.with_name(f"{path.name}-wal")
    for _ in range(_TRIES):
        before = _read_index(path)
        if before is None:
            return None
        try:
            with log.open("rb") as file:
                size, header = file.seek(0, 2), _at(file, 0, _LOG_HEADER)
                broken = _first_broken(file, header, before, told) if thorough else None
        except FileNotFoundError:
            size, header, broken = 0, b"", None
        after = _read_index(path)
        if after and after.salt == before.salt and after.frames >= before.frames:
            return _verdict(log, before, size, header, broken)
    return None


def _verdict(log: Path, index: _Index, size: int, header: bytes, broken: int | None) -> str | None:
    if size == 0:
        gone = index.frames - index.backfilled
        return f"{log} is missing or empty: {gone:,} pages that were written last are lost" if gone else None
    if len(header) == _LOG_HEADER and header[16:24] != index.salt:
        return None  # the index is of a former log
    there = max(0, size - _LOG_HEADER) // (_FRAME_HEADER + index.page)
    if there < index.frames:
        return f"{log} is cut off: of {index.frames:,} pages that were written last, {index.frames - there:,} are lost"
    if broken is not None:
        return f"{log} is damaged from its page {broken:,} of {index.frames:,} on"
    return None


def _read_index(path: Path) -> _Index | None:
    """The index, or None when there is none that means anything."""
    try:
        with path.with_name(f"{path.name}-shm").open("rb") as file:
            data = file.read(_INDEX)
    except FileNotFoundError:
        return None
    if len(data) < _INDEX or data[:48] != data[48:96]:
        return None
    version, _, _, ready, _, page, frames = struct.unpack("=IIIBBHI", data[:20])
    if version != _VERSION or not ready or not frames:
        return None
    (backfilled,) = struct.unpack("=I", data[96:100])
    return _Index(frames, backfilled, 65536 if page == 1 else page, data[32:40])


def _first_broken(file: BinaryIO, header: bytes, index: _Index, told: Callable[[int, int], None] | None) -> int | None:
    """The first frame, from 1, whose checksum is not its own."""
    if len(header) < _LOG_HEADER or header[16:24] != index.salt:
        return None
    order = ">" if header[3] & 1 else "<"
    sums = _sum(header[:24], order, (0, 0))
    if sums != struct.unpack(">II", header[24:32]):
        return 1
    for frame in range(1, index.frames + 1):
        data = file.read(_FRAME_HEADER + index.page)
        if len(data) < _FRAME_HEADER + index.page:
            return None  # cut off, which its size tells
        sums = _sum(data[_FRAME_HEADER:], order, _sum(data[:8], order, sums))
        if data[8:16] != index.salt or sums != struct.unpack(">II", data[16:24]):
            return frame
        if told and frame % 100 == 0:
            told(frame, index.frames)
    return None


def _sum(data: bytes, order: str, start: tuple[int, int]) -> tuple[int, int]:
    one, two = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for place in range(0, len(words), 2):
        one = (one + words[place] + two) & _MASK
        two = (two + words[place + 1] + one) & _MASK
    return one, two


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
