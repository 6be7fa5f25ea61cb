"""Writing a small file whole or not at all: beside it first, and then in its place."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put a text in the place of a file, whose directory is made if need be. Blocks.

    Raises:
        OSError: the disk refused it; what was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
