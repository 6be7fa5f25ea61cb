"""The form of an archive: what its members are called, what its manifest says, what is left out of its rows."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from engine.model.errors import UsageError
from engine.model.records import Json
from storage.codec import (
    APPROVAL,
    ARTIFACT,
    ATTEMPT,
    CHECKPOINT,
    COST,
    EDGE,
    EVENT,
    JOURNAL,
    MESSAGE,
    NODE,
    RUN,
    SESSION,
    SESSION_STATE,
    STATE_CHANGE,
    Codec,
)

FORMAT = 1
MANIFEST = "manifest.json"
MAX_SIZE = 20 * 1000**3  # bytes that an archive may unpack to, unless a person says otherwise
MAX_MEMBERS = 500_000
MAX_MANIFEST = 128 * 1024 * 1024  # bytes; enough for that many members

# What is carried, parents before children. Clients and commands are of the processes of one machine and stay there.
CARRIED: tuple[Codec[Any], ...] = (
    SESSION,
    SESSION_STATE,
    RUN,
    NODE,
    EDGE,
    ATTEMPT,
    JOURNAL,
    EVENT,
    MESSAGE,
    ARTIFACT,
    CHECKPOINT,
    APPROVAL,
    STATE_CHANGE,
    COST,
)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_IDENTITY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Refused(UsageError):
    """Why an archive is not taken; nothing of it is left here."""


@dataclass(frozen=True, slots=True)
class Member:
    """What a manifest says of one member: its size (bytes) and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive is. `schema` is the revision of the database that its rows are of."""

    program: str
    schema: str
    session_id: str
    title: str
    members: Mapping[str, Member]

    def encode(self) -> bytes:
        """As it stands in the archive."""
        data = {
            "format": FORMAT,
            "program": self.program,
            "schema": self.schema,
            "session": {"id": self.session_id, "title": self.title},
            "members": {name: [one.size, one.sha256] for name, one in sorted(self.members.items())},
        }
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            Refused: it is none, or one of another format.
        """
        try:
            value = cast(object, json.loads(data))
        except (ValueError, RecursionError):
            raise Refused(f"its {MANIFEST} is not JSON.") from None
        found = cast(Json, value) if isinstance(value, dict) else {}
        if found.get("format") != FORMAT:
            raise Refused(
                f"it is of format {str(found.get('format'))[:20]!r}; this program reads format {FORMAT}.",
                "Import it with the version of cmbagent-tui that exported it, or a newer one.",
            )
        try:
            session = found["session"]
            members = {
                str(name): Member(_number(size), _hash(sha256)) for name, (size, sha256) in found["members"].items()
            }
            return cls(
                _text(found["program"]),
                _text(found["schema"]),
                identity(session["id"]),
                _text(session["title"]),
                members,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refused(f"its {MANIFEST} is incomplete or says what cannot be ({error}).") from None


def rows_of(table: str) -> str:
    """The member that holds the rows of a table."""
    return f"records/{table}.jsonl"


def blob_of(sha256: str) -> str:
    """The member that holds a blob."""
    return f"blobs/{sha256}"


def identity(value: object) -> str:
    """An id as the program makes them; ValueError if it is none. Names of directories are made of ids."""
    if not isinstance(value, str) or not _IDENTITY.fullmatch(value):
        raise ValueError(f"{str(value)[:60]!r} is no id")
    return value


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table that are carried. Moves are numbered anew where they arrive, in the same order."""
    names = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
    return [name for name in names if (table, name) != (STATE_CHANGE.table.name, "id")]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no size")
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"{str(value)[:80]!r} is no SHA-256")
    return value
