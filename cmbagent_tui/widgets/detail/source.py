"""Reading for the detail pane: bodies that may lie in the blob store, made fit to show."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.content import Content

from engine.model.errors import CockpitError
from engine.model.text import clean

if TYPE_CHECKING:
    from engine import Engine

SHOWN = 200_000  # characters of one body that are shown; the rest is a key away in the pager


async def blob_text(engine: Engine, sha256: str) -> str:
    """A blob as text, cleaned and bounded; what cannot be read says why instead."""
    try:
        data = await asyncio.to_thread(engine.blob, sha256)
    except CockpitError as error:
        return f"({error.cause})"
    text = data[: 4 * SHOWN].decode("utf-8", errors="replace")
    return await asyncio.to_thread(clean, text, SHOWN)


async def body(engine: Engine, value: object) -> str:
    """The text of an event's field: itself, or what its blob reference points to."""
    if isinstance(value, dict) and isinstance(sha256 := value.get("blob"), str):
        return await blob_text(engine, sha256)
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


def heading(text: str, *, first: bool = False) -> Content:
    """A heading above a part of a section, with a blank line before it unless it comes first."""
    return Content.assemble("" if first else "\n", (f"{text}\n" if text else "", "bold $text-primary"))


async def read_head(engine: Engine, sha256: str) -> tuple[str | None, bool]:
    """(the beginning of a blob as text, whether that is all of it); None when it is no text."""
    data = await asyncio.to_thread(engine.blob, sha256)
    head = data[:SHOWN]
    if is_binary(head[:8192]):
        return None, True
    return await asyncio.to_thread(clean, head.decode("utf-8", errors="replace")), len(head) == len(data)
