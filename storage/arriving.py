"""Directories that are there whole or not at all: written under another name, and renamed when they are done."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from engine.model.errors import StorageError, UsageError
from storage.location import make_private
from storage.upkeep import sync

_NAMED = re.compile(r"(?:^|-)\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-[0-9a-f]{4}$")
_PART = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")
_STALE = 24 * 3600.0  # seconds after which an unfinished directory belongs to no living process


def named_now(parent: Path, what: str = "") -> Path:
    """A name for a directory that says when it was made, in UTC."""
    return parent / f"{what}{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-{os.urandom(2).hex()}"


@contextlib.contextmanager
def arriving(final: Path) -> Generator[Path]:
    """A directory to fill, which gets its final name, durably, when the body ends well, and is removed otherwise.

    Raises:
        UsageError: something is in its place already.
        StorageError: the disk refused.
    """
    if final.is_symlink() or (final.exists() and (not final.is_dir() or any(final.iterdir()))):
        raise UsageError(f"{final} is there already.", "Name a directory that is not there, or an empty one.")
    part = final.with_name(f".{final.name}.{os.urandom(4).hex()}.part")
    try:
        make_private(final.parent)
        _sweep(final)
        part.mkdir(mode=0o700)
        try:
            yield part
            for directory, _, _ in os.walk(part):
                sync(Path(directory))
            part.replace(final)
            sync(final.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"cannot write {final}: {error.strerror or error}.", "Name another place, or make room there."
        ) from error


def _sweep(final: Path) -> None:
    """Remove what killed processes have left unfinished: under this name, or one that `named_now` gave."""
    for entry in final.parent.glob(".*.part"):
        found = _PART.fullmatch(entry.name)
        with contextlib.suppress(OSError):
            ours = found and (found[1] == final.name or _NAMED.search(found[1]))
            if ours and entry.stat().st_mtime < time.time() - _STALE:
                shutil.rmtree(entry, ignore_errors=True)
