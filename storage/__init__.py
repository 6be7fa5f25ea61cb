"""What is remembered: the database and the blob store behind engine.ports. Importing this loads neither SQLAlchemy nor
alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.ports import Blobs, Store


def open_store(home: Path, url: str | None = None) -> tuple[Store, Blobs]:
    """The store and the blobs of a home directory; nothing on disk is touched before `await store.open()`.

    Raises:
        UsageError: the URL names no SQLite file.
    """
    from storage.blobs import FileBlobs
    from storage.location import locate
    from storage.store import SqlStore

    location = locate(home, url)
    blobs = FileBlobs(location.blobs)
    return SqlStore(location, blobs), blobs
