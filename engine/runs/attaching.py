"""Files that a person attaches to a run: looked at before, and copied when it begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from engine.model.errors import UsageError
from engine.model.options import InputFile
from engine.model.text import clean, one_line
from engine.ports import Blobs

FOLDER = "inputs"  # in every step's directory
MAX_FILES = 200


def size_of_file(path: Path) -> int:
    """How large a file is that may be attached (bytes). Blocks: a disk may be slow.

    Raises:
        UsageError: there is none, it is no file, or may not be read.
    """
    name = one_line(str(path), 200)
    try:
        found = path.expanduser().stat()
    except (OSError, ValueError, RuntimeError):  # a name with a zero byte; a person who has no home
        raise UsageError(f"there is no file {name}", "Check the path; ~ stands for your home.") from None
    if path.expanduser().is_dir():
        raise UsageError(f"{name} is a directory", "Attach its files, or one archive of them.")
    if not path.expanduser().is_file():
        raise UsageError(f"{name} is no file")
    if not os.access(path.expanduser(), os.R_OK):
        raise UsageError(f"{name} may not be read")
    if clean(path.name) != path.name or not path.name.isprintable():
        raise UsageError(f"{name} has a name with characters that cannot be shown", "Rename it.")
    return found.st_size


def check_names(paths: Iterable[Path]) -> None:
    """Raise UsageError when two would have the same name, or when they are too many."""
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(path.name, path)
        if other is not path:
            raise UsageError(f"two files are called {one_line(path.name, 100)}", "Rename one: they lie side by side.")
    if len(seen) > MAX_FILES:
        raise UsageError(f"{len(seen)} files are too many", f"At most {MAX_FILES} can be attached: make an archive.")


def attached(paths: Iterable[Path], blobs: Blobs) -> tuple[InputFile, ...]:
    """Copy files into the store.

    Raises:
        UsageError: one cannot be attached. None of them is then.
        StorageError: the disk refused.
    """
    listed = [path.expanduser() for path in paths]
    check_names(listed)
    for path in listed:
        size_of_file(path)
    made: list[InputFile] = []
    for path in listed:
        sha256, size = blobs.put_file(path.resolve())
        made.append(InputFile(f"{FOLDER}/{path.name}", sha256, size))
    return tuple(made)
