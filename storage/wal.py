"""What the write-ahead log should hold and does not: SQLite itself passes over what is cut off or damaged, silently.

The index beside it (`-shm`) says how many frames were committed, and is left behind by a process that was killed. The
layout of both is documented (sqlite.org/walformat.html) and has not changed since 2010. Everything is only read.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

_VERSION = 3007000
_INDEX = 136  # bytes: the header twice, and how far checkpoints have come
_LOG_HEADER = 32
_FRAME_HEADER = 24
_TRIES = 5  # to read the index and the log as of one moment, though someone writes


class _Index(NamedTuple):
    """What the index says of the log."""

    frames: int  # committed
    backfilled: int  # of those, in the database itself already
    page: int  # bytes
    salt: bytes


def lost(path: Path, *, thorough: bool = False) -> str | None:
    """What the write-ahead log of a database has lost, in words, or None. `thorough`: every frame is read, and its
    checksum compared.

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
                header = file.read(_LOG_HEADER)
                size = file.seek(0, 2)
            sound = _sound(path, log, before) if thorough and size else before.frames
        except FileNotFoundError:
            header, size, sound = b"", 0, 0
        after = _read_index(path)
        if after and after.salt == before.salt and after.frames >= before.frames:
            return _verdict(log, before, header, size, sound)
    return None


def _verdict(log: Path, index: _Index, header: bytes, size: int, sound: int) -> str | None:
    if size == 0:
        gone = index.frames - index.backfilled
        return f"{log} is missing or empty: {gone:,} pages that were written last are lost" if gone else None
    if len(header) == _LOG_HEADER and header[16:24] != index.salt:
        return None  # the index is of a former log
    there = max(0, size - _LOG_HEADER) // (_FRAME_HEADER + index.page)
    if there < index.frames:
        return f"{log} is cut off: of {index.frames:,} pages that were written last, {index.frames - there:,} are lost"
    if sound < index.frames:
        return f"{log} is damaged: of {index.frames:,} pages that were written last, {index.frames - sound:,} are lost"
    return None


def _sound(path: Path, log: Path, index: _Index) -> int:
    """How many frames SQLite would take from a log whose index is gone: it is asked, elsewhere, with a copy of the log
    and of the database's first page."""
    with tempfile.TemporaryDirectory(prefix="cmbagent-") as folder:
        probe = Path(folder) / "probe.db"
        with path.open("rb") as file:
            probe.write_bytes(file.read(index.page))
        shutil.copyfile(log, probe.with_name("probe.db-wal"))  # of a link SQLite would want nothing
        try:
            with closing(sqlite3.connect(f"{probe.as_uri()}?mode=ro", uri=True)) as connection:
                connection.execute("PRAGMA schema_version").fetchone()
                taken = _read_index(probe)
        except sqlite3.DatabaseError:
            return index.frames  # the database's own first page is damaged, which its check says
    return taken.frames if taken else 0


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
