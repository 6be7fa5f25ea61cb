"""What the looks at files share."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

RTOL, ATOL = 1e-6, 1e-12  # two numbers are alike when they differ by no more than ATOL + RTOL * |the first|
MEAN = 0.01  # of the range of its colours: how much two pictures that are alike differ on average at most
PART = 0.02  # the same for any part of SIDE × SIDE pixels
SIDE = 32
WHOLE = 64 * 1024 * 1024  # bytes; the largest file that is read whole
PIECE = 256 * 1024  # bytes that are read, or unpacked, at a time


class Differs(Exception):
    """The two versions are not alike; the text says where they differ first."""


class Unreadable(Exception):
    """A version is not what its name or its beginning promised; the text says why."""


def open_regular(path: str) -> BinaryIO:
    """Open a regular file; a pipe or a device would never answer."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unreadable("it is not a regular file")
    return os.fdopen(handle, "rb")


def read_whole(path: str) -> bytes:
    """All of a file that is not too large."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > WHOLE:
            raise Unreadable(f"it has {size:,} bytes; at most {WHOLE:,} are read")
        return file.read(WHOLE + 1)


def short(text: str, limit: int = 80) -> str:
    """A piece of a file, for people."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
