"""What the looks at files share."""

from __future__ import annotations

import json
import os
import stat
from typing import Any, BinaryIO, Dict  # noqa: UP035 (3.8)

READ_BYTES = 16 * 1024 * 1024  # largest JSON or text that is read whole

Job = Dict[str, Any]  # noqa: UP006 (3.8): one check, as its JSON says it


class Bad(Exception):
    """The file is not what the check asks for; the text says how."""


def open_regular(path: str) -> BinaryIO:
    """Open a regular file; a pipe or a device would never answer."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Bad("it is not a regular file")
    return os.fdopen(handle, "rb")


def read_text(path: str) -> str:
    """The whole of a text file that is not too large."""
    with open_regular(path) as file:
        data = file.read(READ_BYTES + 1)
        size = os.fstat(file.fileno()).st_size
    if len(data) > READ_BYTES:
        raise Bad(f"it has {size:,} bytes; at most {READ_BYTES:,} are read")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(error) from None


def not_utf8(error: UnicodeDecodeError) -> Bad:
    """What to say of bytes that are no text."""
    return Bad(f"it is not UTF-8 text (byte 0x{error.object[error.start]:02x})")


def show(value: Any) -> str:
    """A value found in a file, for people, short."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:119] + "…"
