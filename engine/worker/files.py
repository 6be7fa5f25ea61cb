"""What changed in a work directory: which files came, went, or have other content than before.

Whatever code left there is hostile: links that lead out, pipes that block whoever reads them, names that no screen
should show, more files than a frame can carry. Only regular files with plain names are kept; for the rest there is a
sentence.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine.model.frames import FileChange
from engine.model.plan import path_problem
from engine.model.text import clean, one_line

_CLUTTER = frozenset(
    {
        *("__pycache__", ".git", ".hg", ".svn", ".venv", "node_modules", ".ipynb_checkpoints", ".DS_Store"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"),
    }
)
_KINDS = {
    "code": "py ipynb r jl c h cc cpp hpp f f90 sh sql toml yaml yml ini cfg js ts rs go",
    "data": "csv tsv json jsonl npz npy txt dat h5 hdf5 fits parquet feather pkl xml nc db sqlite zip gz",
    "figure": "png pdf svg jpg jpeg gif eps webp tif tiff",
    "text": "md rst tex bib html log",
}
_KIND_OF = {f".{suffix}": kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_DEPTH = 64  # directories within directories
_NAMES = 8 * 1024 * 1024  # bytes that all paths with their hashes may take in a frame, half of what a frame can carry
_ENTRY = 150  # bytes that a file takes in a frame beside its path
_PIECE = 1024 * 1024
_PROBLEMS = 50

_Signature = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was read; `unsettled` when it was written so shortly before that another write could look the
    same."""

    signature: _Signature
    sha256: str
    size: int
    unsettled: bool


def kind_of(path: str) -> str:
    """What sort of file this is, by its name: code, data, figure, text or other."""
    return _KIND_OF.get(PurePosixPath(path).suffix.lower(), "other")


class Watch:
    """The files of one directory, and what became of them since the last look.

    A file is read again only when its size, its times or its inode differ. Calls block while they read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._seen: dict[str, _Seen] = {}
        self._problems: dict[str, None] = {}
        self._reported = self._look()

    @property
    def displaced(self) -> bool:
        """Whether a link has taken the directory's place: whatever is behind it belongs to someone else."""
        return os.path.realpath(self._root) != str(self._real_root)

    @property
    def problems(self) -> list[str]:
        """What was left out at the last look, and why: a sentence each, safe to show."""
        return list(self._problems)

    @property
    def reported(self) -> dict[str, tuple[str, int]]:
        """Every file as `changes` last found it: path → (SHA-256, size in bytes)."""
        return dict(self._reported)

    def changes(self) -> list[FileChange]:
        """What is different from the time before, in order of path."""
        before, now = self._reported, self._look()
        self._reported = now
        found: list[FileChange] = []
        for path in sorted(before.keys() | now.keys()):
            old, new = before.get(path), now.get(path)
            if new is None:
                found.append(FileChange(path=path, change="deleted", kind=kind_of(path)))
            elif old is None or old[0] != new[0]:
                change = "added" if old is None else "changed"
                found.append(FileChange(path=path, change=change, sha256=new[0], size=new[1], kind=kind_of(path)))
        return found

    def tree(self) -> dict[str, tuple[str, int]]:
        """Every file as it is now: path → (SHA-256, size in bytes)."""
        return self._look()

    def _look(self) -> dict[str, tuple[str, int]]:
        self._problems = {}
        seen: dict[str, _Seen] = {}
        if self.displaced:
            self._problems["nothing is kept: a link has taken the place of the step's directory"] = None
            self._seen = seen
            return {}
        room = _NAMES
        directories = [("", 0)]
        while directories:
            directory, depth = directories.pop()
            for entry in self._entries(directory):
                path = f"{directory}{entry.name}"
                if entry.name in _CLUTTER or entry.name.endswith(".pyc"):
                    continue
                why = _unkeepable(path)
                if why is None and entry.is_dir(follow_symlinks=False):
                    if depth < _DEPTH:
                        directories.append((f"{path}/", depth + 1))
                        continue
                    why = f"it lies more than {_DEPTH} directories deep"
                if why is None and room <= 0:
                    why = "there are more files than can be kept"
                if why is None:
                    try:
                        one = self._file(path)
                    except _Unkept as error:
                        why = str(error)
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        why = f"it cannot be read: {error.strerror}"
                    else:
                        seen[path] = one
                        room -= _ENTRY + len(path.encode())
                if why is not None and len(self._problems) < _PROBLEMS:
                    self._problems[f"{one_line(path, 120)!r} is not kept: {why}"] = None
        self._seen = seen
        return {path: (one.sha256, one.size) for path, one in sorted(seen.items())}

    def _entries(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / directory) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._problems[f"{one_line(directory or '.', 120)!r} is not kept: it cannot be read: {error.strerror}"] = (
                None
            )
            return []

    def _file(self, path: str) -> _Seen:
        """A file's content, read only if it may have changed.

        Raises:
            _Unkept: it is no file to keep.
            OSError: it is gone, or cannot be read.
        """
        target = self._root / path
        if target.is_symlink():
            target = self._behind(target)
        status = target.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise _Unkept("it is neither a file nor a directory")
        known = self._seen.get(path)
        if known is not None and known.signature == _signature(status) and not known.unsettled:
            return known
        # Whatever it has turned into meanwhile: no link is followed, no pipe is waited for.
        descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _Unkept("it is neither a file nor a directory")
            digest, size, now = hashlib.sha256(), 0, time.time_ns()
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        return _Seen(_signature(status), digest.hexdigest(), size, _unsettled(status, now))

    def _behind(self, link: Path) -> Path:
        """The file that a link within the directory leads to; directories are found in their own place."""
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):
            raise _Unkept("it is a link that leads nowhere") from None
        if not target.is_relative_to(self._real_root):
            raise _Unkept("it is a link that leads outside the directory")
        if not target.is_file():
            raise _Unkept("it is a link to something that is no file")
        return target


class _Unkept(Exception):
    """Something that is left out, and why."""


def _unkeepable(path: str) -> str | None:
    if path_problem(path) is not None or clean(path) != path or "\t" in path:
        return "its name has characters that cannot be shown or used safely"
    return None


def _signature(status: os.stat_result) -> _Signature:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


def _unsettled(status: os.stat_result, now: int) -> bool:
    """Whether a write from now on could leave the same times: a kernel's clock ticks in milliseconds, some file systems
    count in seconds."""
    last = max(status.st_mtime_ns, status.st_ctime_ns)
    tick = 2_000_000_000 if last % 1_000_000_000 == 0 else 50_000_000
    return now - last < tick
