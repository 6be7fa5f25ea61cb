"""The blob store: bytes by SHA-256, each written once, whole or not at all.

Layout: `blobs/ab/abcd…` (mode 0400, directories 0700), and `blobs/tmp/` for what is being written.

A blob's time of change says when it was last stored, or found to be stored already: whoever did so has some time to
commit the row that names it before `remove_old` may take it for one that nobody needs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from engine.model.errors import StorageError
from storage.location import make_private

_NAME = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1024 * 1024  # bytes; a file up to this size is read at once
_FICLONE = 0x40049409  # Linux: share the blocks of another file, copied when written
_STALE = 24 * 3600.0  # seconds after which a file in tmp belongs to no living writer


class FileBlobs:
    """A directory of blobs. Safe to use from several threads and processes at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tmp = root / "tmp"
        self._ready = False

    def path(self, sha256: str) -> Path:
        """Where a blob is, or would be.

        Raises:
            StorageError: this is no SHA-256.
        """
        if not _NAME.fullmatch(sha256):
            raise StorageError(f"{sha256[:80]!r} names no stored content.", "Run `cmbagent-tui db check`.")
        return self._root / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Whether it is there (not whether it is undamaged: see `get`), and stays there for a while."""
        return self._renewed(sha256) is not None

    def put(self, data: bytes) -> str:
        """Store bytes durably; return their SHA-256.

        Raises:
            StorageError: the disk refused.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if self._renewed(sha256) != len(data):
            with self._writing() as (handle, name):
                handle.write(data)
                self._keep(handle, name, sha256)
        return sha256

    def put_file(self, path: Path, expected: str | None = None) -> tuple[str, int]:
        """Store a regular file durably; return (sha256, size). A symbolic link is not followed.

        Raises:
            StorageError: it cannot be read, changed while it was read, or is not what `expected` says; or the disk
                refused.
        """
        with _reading(path) as source:
            before = os.fstat(source.fileno())
            if before.st_size <= _CHUNK:
                data = source.read(_CHUNK + 1)
                sha256, size = hashlib.sha256(data).hexdigest(), len(data)
                _same(path, before, os.fstat(source.fileno()), size, sha256, expected)
                return self.put(data), size
            if expected is not None and self._renewed(expected) == before.st_size:
                sha256, size = _copy(source, None)
                _same(path, before, os.fstat(source.fileno()), size, sha256, expected)
                return sha256, size
            with self._writing() as (handle, name):
                sha256, size = _copy(source, handle)
                _same(path, before, os.fstat(source.fileno()), size, sha256, expected)
                if self._renewed(sha256) != size:
                    self._keep(handle, name, sha256)
            return sha256, size

    def get(self, sha256: str) -> bytes:
        """The bytes, checked.

        Raises:
            StorageError: they are missing, or do not hash to their name.
        """
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _missing(sha256, error) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _damaged(sha256, path)
        return data

    def materialise(self, sha256: str, target: Path) -> None:
        """Put a private copy (mode 0600) at `target`, replacing what is there; its directories are made (0700).

        Blocks are shared where the file system can. The content is checked on the way.

        Raises:
            StorageError: the blob is missing or damaged, or the disk refused. `target` is then as it was.
        """
        path = self.path(sha256)
        try:
            source = path.open("rb")
        except OSError as error:
            raise _missing(sha256, error) from error
        part = target.with_name(f".{os.getpid():x}-{os.urandom(6).hex()}.part")
        with source, _refusals(target):
            make_private(target.parent)
            try:
                with _create(part) as copy:
                    found, _ = _copy(source, None if _reflink(source, copy) else copy)
                if found != sha256:
                    raise _damaged(sha256, path)
                part.replace(target)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def verify(self, sha256: str) -> str | None:
        """What is wrong with a blob, in words, or None. Reads it in pieces."""
        try:
            with self.path(sha256).open("rb") as source:
                found, _ = _copy(source, None)
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        return None if found == sha256 else "was edited or damaged: it does not hash to its name"

    def names(self) -> Iterator[str]:
        """Every blob that is there, in order of their names.

        Raises:
            StorageError: the directory cannot be read.
        """
        with _refusals(self._root):
            for shard in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
                yield from sorted(entry.name for entry in os.scandir(shard) if _NAME.fullmatch(entry.name))

    def size(self, sha256: str) -> int:
        """Its bytes on the disk; 0 when it is not there."""
        try:
            return self.path(sha256).stat().st_size
        except OSError:
            return 0

    def changed(self, sha256: str) -> float:
        """When it was stored, or last found to be stored already: seconds since 1970, infinite when it is not there."""
        try:
            return self.path(sha256).stat().st_mtime
        except OSError:
            return float("inf")

    def remove_old(self, sha256: str, before: float) -> bool:
        """Remove a blob unless it was stored, or found to be stored, since `before` (seconds since 1970). A blob that
        someone finds meanwhile stays, or is missed by him in time to store it again.

        Raises:
            StorageError: the disk refused.
        """
        path, aside = self.path(sha256), self._tmp / f"{sha256}-{os.urandom(8).hex()}"
        with _refusals(path):
            try:
                if self.changed(sha256) >= before:
                    return False
                make_private(self._tmp)
                path.rename(aside)
            except FileNotFoundError:
                return False
            if aside.stat().st_mtime >= before:
                aside.rename(path)
                return False
            aside.unlink()
        return True

    def _renewed(self, sha256: str) -> int | None:
        """The size of a blob that is there, and is from now on as good as new (see `remove_old`)."""
        path = self.path(sha256)
        try:
            os.utime(path)
            return path.stat().st_size  # after its time was set: it may just have been removed
        except OSError:
            return None

    @contextlib.contextmanager
    def _writing(self) -> Generator[tuple[BinaryIO, Path]]:
        """A new file in tmp, gone at the end unless it was kept."""
        with _refusals(self._root):
            if not self._ready:
                make_private(self._tmp)
                self._sweep()
                self._ready = True
            name = self._tmp / f"{os.getpid():x}-{os.urandom(8).hex()}"
            try:
                with _create(name) as handle:
                    yield handle, name
            except BaseException:
                name.unlink(missing_ok=True)
                raise
            name.unlink(missing_ok=True)

    def _keep(self, handle: BinaryIO, name: Path, sha256: str) -> None:
        """Give a finished file its place; it is durable when this returns."""
        target = self.path(sha256)
        os.fchmod(handle.fileno(), 0o400)
        handle.flush()
        os.fsync(handle.fileno())
        shard = target.parent
        new_shard = not shard.is_dir()
        if new_shard:
            shard.mkdir(mode=0o700, exist_ok=True)
        name.replace(target)
        _sync_directory(shard)
        if new_shard:
            _sync_directory(self._root)

    def _sweep(self) -> None:
        """Remove what killed writers left in tmp."""
        old = time.time() - _STALE
        for entry in list(os.scandir(self._tmp)):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < old:
                    Path(entry.path).unlink()


@contextlib.contextmanager
def _reading(path: Path) -> Generator[BinaryIO]:
    try:
        # Non-blocking, so that a pipe under this name cannot hold us up.
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else str(error.strerror)
        raise StorageError(f"cannot store {path}: {reason}.") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise StorageError(f"cannot store {path}: it is no regular file.")
    with os.fdopen(number, "rb") as source:
        yield source


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600), "w+b")


def _copy(source: BinaryIO, target: BinaryIO | None) -> tuple[str, int]:
    """Read to the end, writing if there is a target; return (sha256, size)."""
    digest, size = hashlib.sha256(), 0
    while data := source.read(_CHUNK):
        digest.update(data)
        size += len(data)
        if target is not None:
            target.write(data)
    return digest.hexdigest(), size


def _reflink(source: BinaryIO, target: BinaryIO) -> bool:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:  # not this file system, not this system, or not across devices
        return False
    return True


def _same(
    path: Path, before: os.stat_result, after: os.stat_result, size: int, sha256: str, expected: str | None
) -> None:
    changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size
    if changed or (expected is not None and sha256 != expected):
        raise StorageError(f"{path} changed while it was being stored.", "Whatever writes it has to finish first.")


def _sync_directory(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _refusals(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Free some space, then resume the run, or start it again if it failed." if full else ""
        raise StorageError(f"cannot write under {path}: {error.strerror}.", hint) from error


def _missing(sha256: str, error: OSError) -> StorageError:
    return StorageError(
        f"the stored content {sha256} cannot be read: {error.strerror}.", "Run `cmbagent-tui db check`."
    )


def _damaged(sha256: str, path: Path) -> StorageError:
    return StorageError(
        f"the stored content {sha256} is damaged: {path} does not hash to its name.", "Run `cmbagent-tui db check`."
    )
