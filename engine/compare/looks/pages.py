"""Pages that programs write: PDF and SVG, as texts, without the dates and names that differ from time to time."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from .base import WHOLE, Unreadable, read_whole
from .numbers import Ledger
from .texts import compare_lines

_STREAM = re.compile(rb"\bstream\r?\n")
_XREF = re.compile(rb"\bxref\s.*?\btrailer\b", re.DOTALL)
_PASSING = re.compile(
    rb"/(?:CreationDate|ModDate)\s*(?:\((?:\\.|[^\\)])*\)|<[^>]*>)"
    rb"|/ID\s*\[[^\]]*\]|/Length\s+[0-9]+|\bstartxref\s+[0-9]+"
    rb"|<(xmp:(?:CreateDate|ModifyDate|MetadataDate)|xmpMM:(?:DocumentID|InstanceID))>[^<]*",
    re.DOTALL,
)
_DATE = re.compile(r"<dc:date>[^<]*</dc:date>")
_NAME = re.compile(r"\bid=\"([^\"]+)\"")
_NAMED = re.compile(r"(\bid=\"|url\(#|href=\"#)([^\")]+)")


def pdf(one: str, other: str) -> str:
    """What is on the pages and how it is put together."""
    ledger = Ledger()
    compare_lines(_pdf_lines(read_whole(one)), _pdf_lines(read_whole(other)), ledger)
    return f"{ledger.words()}, dates aside" if ledger.count else "the same but for dates"


def svg(one: str, other: str) -> str:
    """What is drawn. Elements are known by their place, since some programs give them names at random."""
    ledger = Ledger()
    compare_lines(_svg_lines(one), _svg_lines(other), ledger)
    return (
        f"{ledger.words()}, dates and names of elements aside" if ledger.count else "the same but for dates and names"
    )


def _svg_lines(path: str) -> Iterator[str]:
    text = _DATE.sub("", read_whole(path).decode("utf-8", errors="surrogateescape"))
    names: dict[str, str] = {}
    for found in _NAME.finditer(text):
        names.setdefault(found[1], f"element-{len(names)}-")
    return iter(_NAMED.sub(lambda found: found[1] + names.get(found[2], found[2]), text).splitlines())


def _pdf_lines(data: bytes) -> Iterator[str]:
    """A PDF's text, its streams unpacked, its dates and the places of its objects left out."""
    at, room = 0, WHOLE
    while found := _STREAM.search(data, at):
        head = data[at : found.start()]
        end = data.find(b"endstream", found.end())
        end = len(data) if end < 0 else end
        yield from _plain(head)
        described = head[head.rfind(b" obj") + 1 :]
        if not re.search(rb"/Type\s*/XRef\b", described):
            body = data[found.end() : end]
            if b"/FlateDecode" in described:
                body = _inflated(body, room)
                room -= len(body)
            yield from _plain(body)
        at = end
    yield from _plain(data[at:])


def _plain(data: bytes) -> Iterator[str]:
    return iter(_PASSING.sub(rb"", _XREF.sub(rb"trailer", data)).decode("latin-1").splitlines())


def _inflated(data: bytes, room: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(data, room + 1)
    except zlib.error:
        return data  # encrypted, or another filter stands before it
    if len(unpacked) > room:
        raise Unreadable(f"it unpacks to more than {WHOLE:,} bytes")
    return unpacked
