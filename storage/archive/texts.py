"""The texts of a staged session, made safe where they enter; what a body holds is bounded, too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, cast

from engine.model.errors import StorageError
from engine.model.text import clean
from storage.archive.form import Refused
from storage.blobs import FileBlobs
from storage.bodies import named, pack, unpack
from storage.codec import ARTIFACT, CHECKPOINT, JOURNAL, Codec

_MAX_BODY = 256 * 1024 * 1024  # bytes of one body, which is read whole
_MAX_DEPTH = 100  # of what is nested in a body

# Names of files are what they are; a recorded answer is given to the agent as it was given the first time.
_AS_IT_IS = {(ARTIFACT, "path"), (CHECKPOINT, "tree"), (JOURNAL, "answer")}


def records(connection: sqlite3.Connection, codec: Codec[Any], blobs: FileBlobs) -> Iterator[Any]:
    """The records of a table; rows with unsafe texts are changed first.

    Raises:
        Refused: a row is none, or holds too much.
    """
    columns = ", ".join(f'"{name}"' for name in codec.names)
    for number, *row in connection.execute(f"SELECT rowid, {columns} FROM {codec.table.name}"):
        try:
            changed = dict(_changes(codec, row, blobs))
            if changed:
                settings = ", ".join(f'"{name}" = ?' for name in changed)
                update = f"UPDATE {codec.table.name} SET {settings} WHERE rowid = ?"
                connection.execute(update, [*changed.values(), number])
                row = [changed.get(name, value) for name, value in zip(codec.names, row, strict=True)]
            yield codec.decode(row, blobs)
        except StorageError as error:
            raise Refused(f"row {number:,} of {codec.table.name} cannot be read: {error.cause}") from None
        except (ValueError, RecursionError) as error:
            raise Refused(f"row {number:,} of {codec.table.name} holds what cannot be: {error}.") from None


def _changes(codec: Codec[Any], row: list[Any], blobs: FileBlobs) -> Iterator[tuple[str, str]]:
    for name, value in zip(codec.names, row, strict=True):
        if not isinstance(value, str):
            continue
        keep = (codec, name) in _AS_IT_IS
        if name not in codec.bodies:
            safe = value if keep else clean(value)
            if safe != value:
                yield name, safe
            continue
        size = 0
        for sha256 in named(value, blobs):
            size += blobs.size(sha256)  # as often as it is named
            if size > _MAX_BODY:
                raise ValueError(f"a {name} of more than {_MAX_BODY:,} bytes")
        body = unpack(value, blobs)
        safe = _safe(body, keep)
        if safe != body:
            yield name, pack(safe, blobs)


def _safe(value: Any, keep: bool, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("values nested too deeply")
    if isinstance(value, str):
        return value if keep else clean(value)
    if isinstance(value, dict):
        items = cast(dict[str, Any], value).items()
        return {_safe(key, keep): _safe(item, keep, depth + 1) for key, item in items}
    if isinstance(value, list):
        return [_safe(item, keep, depth + 1) for item in cast(list[Any], value)]
    return value
