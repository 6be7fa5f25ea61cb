"""Bodies: the JSON texts of records, short in their rows, with every long text in them stored once.

A body in a row is one of

- JSON text;
- `sha256:<hex>`, the name of the blob that holds the JSON text, where that is longer than 16 KB;
- `parts:` and JSON text in which each long string is replaced by `"sha256:<hex>"`, the name of the blob that holds it:
  that very text, so that it is the same blob as a file's with this content;
- `parts:sha256:<hex>`, where even that is longer than 16 KB.

Within `parts:`, a long string that is a JSON object's text itself (a tool call's arguments, as models give them) is
kept in the same way, as `"parts:…"`, so that a program is stored once whether it was quoted or not. A string that only
looks like one of these marks is made a blob whatever its length, so that nothing has to be escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from storage.columns import INLINE_LIMIT

if TYPE_CHECKING:
    from engine.ports import Blobs

BLOB_MARK = "sha256:"
PARTS_MARK = "parts:"
LONG = 2048  # characters; a longer string is stored by itself
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_ESCAPED = json.JSONEncoder(separators=(",", ":")).encode

# A string in JSON text, with the colon that makes it a key.
_STRING = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?', re.DOTALL)
# A mark in JSON text. It begins where a string does: within one, each quotation mark has a backslash before it.
_MARK = re.compile(r'(?<!\\)"(?:sha256:([0-9a-f]{64})|parts:([^"\\]*(?:\\.[^"\\]*)*))"(?!\s*:)', re.DOTALL)
_LIKE_MARKS = ('"sha256:', '"parts:')


def pack(value: Any, blobs: Blobs) -> str:
    """The body of a value; the blobs that it names are stored by then.

    Raises:
        StorageError: the blob store refused.
        TypeError: the value is none that JSON knows.
    """
    text = _COMPACT(value)
    if len(text) <= LONG and text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        text = _ESCAPED(value)
    if len(text) <= LONG:
        return text
    parts = _parted(text, blobs, exact=False)
    mark, text = ("", text) if parts == text else (PARTS_MARK, parts)
    # Each character has at most four bytes: most bodies are measured without encoding them.
    if (len(mark) + len(text)) * 4 > INLINE_LIMIT and len(mark) + len(data := text.encode()) > INLINE_LIMIT:
        return f"{mark}{BLOB_MARK}{blobs.put(data)}"
    return mark + text


def unpack(body: str, blobs: Blobs) -> Any:
    """The value of a body, fetched whole.

    Raises:
        StorageError: a blob is missing or damaged.
        ValueError: this is no body.
    """
    has_parts, text = body.startswith(PARTS_MARK), body.removeprefix(PARTS_MARK)
    if text.startswith(BLOB_MARK):
        text = blobs.get(text.removeprefix(BLOB_MARK)).decode()
    return json.loads(_whole(text, blobs) if has_parts else text)


def named(body: str, blobs: Blobs) -> Iterator[str]:
    """Every blob that a body names, in its row or further in.

    Raises:
        StorageError: a blob that names others is missing or damaged; its own name was given before.
    """
    has_parts, text = body.startswith(PARTS_MARK), body.removeprefix(PARTS_MARK)
    if text.startswith(BLOB_MARK):
        name = text.removeprefix(BLOB_MARK)
        yield name
        text = blobs.get(name).decode() if has_parts else ""
    if has_parts:
        yield from _names(text)


class _Inexact(Exception):
    """A text that could not be put together again to the letter."""


def _parted(text: str, blobs: Blobs, *, exact: bool) -> str:
    """JSON text with its long strings replaced; `exact`: so that the very text comes back, not only its value.

    Raises:
        _Inexact: that cannot be.
    """

    def part(found: re.Match[str]) -> str:
        literal, colon = found.groups()
        misleading = literal.startswith(_LIKE_MARKS)
        if colon or (len(literal) <= LONG and not misleading):
            return found[0]
        string = json.loads(literal)
        if len(string) <= LONG and not misleading:
            return literal
        if exact and _COMPACT(string) != literal:
            if misleading:
                raise _Inexact
            return literal
        return _quoted(string, blobs) or f'"{BLOB_MARK}{blobs.put(string.encode(errors="surrogatepass"))}"'

    return _STRING.sub(part, text) if _has_long(text) else text


def _has_long(text: str) -> bool:
    """Whether a string in JSON text is long: said in a fraction of the time that it takes to look at each."""
    plain = text.replace("\\\\", "__").replace('\\"', "__")  # what is left of quotation marks begins or ends a string
    return max(map(len, plain.split('"'))) > LONG


def _quoted(string: str, blobs: Blobs) -> str | None:
    """The mark of a JSON object's text that has long strings in it, None for any other string."""
    if not string.startswith("{"):
        return None
    try:
        json.loads(string)
        string.encode()
        parts = _parted(string, blobs, exact=True)
    except (ValueError, RecursionError, _Inexact):
        return None
    return None if parts == string else _COMPACT(PARTS_MARK + parts)


def _whole(text: str, blobs: Blobs) -> str:
    """What `_parted` was given."""

    def whole(found: re.Match[str]) -> str:
        name, quoted = found.groups()
        if name:
            return _COMPACT(blobs.get(name).decode(errors="surrogatepass"))
        return _COMPACT(_whole(json.loads(f'"{quoted}"'), blobs))

    return _MARK.sub(whole, text)


def _names(text: str) -> Iterator[str]:
    for found in _MARK.finditer(text):
        name, quoted = found.groups()
        if name:
            yield name
        else:
            yield from _names(json.loads(f'"{quoted}"'))
