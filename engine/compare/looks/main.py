"""The program's start: pairs of files as JSON lines in, verdicts as JSON lines out, in order."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from .arrays import npy, npz
from .base import PIECE, Differs, Unreadable, open_regular
from .pages import pdf, svg
from .pictures import MAGIC, png
from .texts import document, table, text

MEMORY_BYTES = 2 * 1024 * 1024 * 1024
_SNIFFED = 8192  # bytes of a file's beginning

_Look = Callable[[str, str], str]
_BY_BEGINNING: tuple[tuple[bytes, _Look], ...] = ((MAGIC, png), (b"%PDF-", pdf), (b"\x93NUMPY", npy))
_BY_NAME: dict[str, _Look] = {
    ".npz": npz,
    ".svg": svg,
    ".json": document,
    ".geojson": document,
    ".ipynb": document,
    ".csv": partial(table, delimiter=","),
    ".tsv": partial(table, delimiter="\t"),
}


def main() -> None:
    """Look at each pair that standard input names: {"name", "one", "other", "seconds"}.

    A verdict, {"alike", "detail"}, is written as soon as it is known. A pair that takes more than its seconds ends the
    process by SIGALRM.
    """
    parent = os.getppid()
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for line in sys.stdin.buffer.readlines():
        if os.getppid() != parent:
            return
        job: dict[str, Any] = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, job["seconds"])
        alike, detail = judge(job["name"], job["one"], job["other"])
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(json.dumps({"alike": alike, "detail": detail}) + "\n")
        sys.stdout.flush()


def judge(name: str, one: str, other: str) -> tuple[bool, str]:
    """Whether two versions of a file are alike, and what was found."""
    try:
        return True, _look_for(name, one, other)(one, other)
    except Differs as found:
        return False, str(found)
    except Unreadable as why:
        return False, f"its bytes differ, and it cannot be looked into: {why}"
    except MemoryError:
        return False, "its bytes differ, and to look into it takes too much memory"
    except Exception as error:
        return False, f"its bytes differ, and it cannot be looked into: {type(error).__name__}: {error}"


def _look_for(name: str, one: str, other: str) -> _Look:
    beginnings = [_beginning(path) for path in (one, other)]
    for magic, look in _BY_BEGINNING:
        if all(beginning.startswith(magic) for beginning in beginnings):
            return look
    by_name = _BY_NAME.get(PurePosixPath(name).suffix.lower())
    if by_name is npz and all(beginning.startswith(b"PK") for beginning in beginnings):
        return npz
    if not all(map(_is_text, beginnings)):
        return _binary
    return by_name if by_name is not None and by_name is not npz else text


def _beginning(path: str) -> bytes:
    with open_regular(path) as file:
        return file.read(_SNIFFED)


def _is_text(beginning: bytes) -> bool:
    if b"\0" in beginning:
        return False
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        return error.start > len(beginning) - 4  # cut in the middle of a character
    return True


def _binary(one: str, other: str) -> str:
    at = 0
    with open_regular(one) as a, open_regular(other) as b:
        while True:
            x, y = a.read(PIECE), b.read(PIECE)
            if x != y:
                same = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
                raise Differs(f"differs from byte {at + same:,} on; files of this kind are compared byte by byte")
            if not x:
                return "the same bytes"
            at += len(x)
