"""Reading for the detail pane: bodies that may lie in the blob store, made fit to show."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from textual.content import Content

from engine.model.errors import CockpitError
from engine.model.text import clean

if TYPE_CHECKING:
    from engine import Engine

SHOWN = 200_000  # characters of one body in a text of several
WHOLE = 4_000_000  # characters of one that is shown by itself


async def blob_text(engine: Engine, sha256: str, limit: int = SHOWN) -> str:
    """A blob as text, cleaned and bounded; what cannot be read says why instead."""
    try:
        return await asyncio.to_thread(_blob_text, engine, sha256, limit)
    except CockpitError as error:
        return f"({error.cause})"


def _blob_text(engine: Engine, sha256: str, limit: int) -> str:
    data = engine.blob(sha256)
    text = clean(data[: 4 * limit].decode("utf-8", errors="replace"), limit)
    return text if len(data) <= 4 * limit else f"{text}\n… of {len(data):,} bytes"


async def body(engine: Engine, value: object, limit: int = SHOWN) -> str:
    """The text of an event's field: itself, or what its blob reference points to."""
    if isinstance(value, dict) and isinstance(sha256 := value.get("blob"), str):
        return await blob_text(engine, sha256, limit)
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)


def is_binary(head: bytes) -> bool:
    """Whether bytes are no text."""
    if b"\0" in head:
        return True
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(head) - 4  # a character cut at the end is none
    return False


def is_blob(value: object) -> bool:
    """Whether an event's field is a reference to a blob."""
    return isinstance(value, dict) and isinstance(value.get("blob"), str)


def pretty(value: object) -> str:
    """A value as JSON set out, cleaned and bounded."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return clean(json.dumps(value, indent=2, ensure_ascii=False, default=str), SHOWN)


def heading(text: str, *, first: bool = False) -> Content:
    """A heading above a part of a section, with a blank line before it unless it comes first."""
    return Content.assemble("" if first else "\n", (f"{text}\n" if text else "", "bold $text-primary"))


async def read_head(engine: Engine, sha256: str, limit: int = WHOLE) -> tuple[str | None, bool]:
    """(the beginning of a blob as text, whether that is all of it); None when it is no text."""

    def read() -> tuple[str | None, bool]:
        data = engine.blob(sha256)
        head = data[:limit]
        if is_binary(head[:8192]):
            return None, True
        return clean(head.decode("utf-8", errors="replace")), len(head) == len(data)

    return await asyncio.to_thread(read)
