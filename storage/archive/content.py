"""The stored content of an archive: unpacked beside the blob store, and moved into it at the end."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Generator, Iterable
from pathlib import Path

from engine.model.errors import StorageError
from storage.archive.form import Refused
from storage.archive.reading import Archive
from storage.blobs import FileBlobs
from storage.location import make_private

_CHUNK = 1024 * 1024


def unpack_blobs(archive: Archive, blobs: FileBlobs) -> None:
    """Write each blob of an archive to its place in an empty store, durably.

    Raises:
        Refused: one is not what its name says.
        StorageError: the disk refused.
    """
    for sha256, source in archive.blobs():
        path, digest = blobs.path(sha256), hashlib.sha256()
        with _refusals(path):
            make_private(path.parent)
            with open(path, "xb", opener=_read_only) as target:
                while data := source.read(_CHUNK):
                    digest.update(data)
                    target.write(data)
                target.flush()
                os.fsync(target.fileno())
        if digest.hexdigest() != sha256:
            raise Refused(f"the content {sha256} does not hash to its name.")


@contextlib.contextmanager
def moving(source: FileBlobs, target: FileBlobs, names: Iterable[str]) -> Generator[None]:
    """Move blobs to another store on the same file system, durably. Those that were not there before are removed again
    if the body fails.

    Raises:
        StorageError: the disk refused.
    """
    fresh: list[Path] = []
    shards: set[Path] = set()
    try:
        for name in names:
            old, new = source.path(name), target.path(name)
            with _refusals(new):
                if new.parent not in shards:
                    make_private(new.parent)
                    shards.add(new.parent)
                if not new.exists():
                    fresh.append(new)
                os.utime(old)  # whatever looks for content that nobody needs lets it be for now
                old.replace(new)
        for directory in {*shards, *(shard.parent for shard in shards)}:
            with _refusals(directory):
                _sync(directory)
        yield
    except BaseException:
        for path in fresh:
            path.unlink(missing_ok=True)
        raise


def _read_only(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o400)


def _sync(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _refusals(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}.", "Free some space, then import it again."
        ) from error
