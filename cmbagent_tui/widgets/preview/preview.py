"""The preview of a file: text as it is, code in colours, CSV as a table, pictures in cells; else what it is."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from textual.content import Content

from cmbagent_tui import words
from cmbagent_tui.slices import in_slices
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, Raw, blank, line
from cmbagent_tui.widgets.detail.highlighting import highlighted, language_of
from cmbagent_tui.widgets.detail.markdown import markdown
from cmbagent_tui.widgets.detail.source import read_head
from cmbagent_tui.widgets.detail.table import Table
from cmbagent_tui.widgets.preview.pictures import Picture, decode
from engine.model.records import Artifact
from engine.model.text import one_line

if TYPE_CHECKING:
    from engine import Engine

TABLE_ROWS, TABLE_COLUMNS = 1000, 40  # of a CSV file
_CELL = 200  # characters of a cell
_PICTURE = 40_000_000  # bytes of a picture that is decoded


async def preview(
    engine: Engine, one: Artifact, room: Callable[[], tuple[int, int]], *, ascii_only: bool
) -> list[Block]:
    """What a file is, and what it holds; a picture so large that all of it is seen in `room` (columns, rows)."""
    whole_hash = room()[0] >= len(one.sha256) + 8
    blocks: list[Block] = [
        line((one_line(one.path), "bold"), (f"  {one.size:,} bytes", MUTED)),
        line((f"by {one.agent}, {one.at:%Y-%m-%d %H:%M:%S} UTC", MUTED)),
        line((f"sha256 {one.sha256 if whole_hash else one.sha256[:32]}", MUTED)),
        blank(),
    ]
    head, whole = await read_head(engine, one.sha256)
    if head is not None:
        blocks += await _text(one, head, whole=whole, ascii_only=ascii_only)
        if not whole:
            cut = f"… only the beginning of {words.size(one.size)} is shown; press o for all of it"
            blocks += [blank(), line((cut, "$text-warning"))]
        return blocks
    picture = await _picture(engine, one, lambda: room()[1] - len(blocks) - 1, ascii_only=ascii_only)
    if isinstance(picture, Picture):
        return [*blocks, picture]
    how = "a figure" if one.kind == "figure" else "not text"
    blocks.append(line(f"{how}, {words.size(one.size)}. Press o to save a copy and open it."))
    return [*blocks, line((picture, MUTED))] if picture else blocks


async def _text(one: Artifact, head: str, *, whole: bool, ascii_only: bool) -> list[Block]:
    name = one.path.lower()
    if not head:
        return [line(("(empty)", MUTED))]
    if name.endswith((".csv", ".tsv")):
        return await in_slices(table(head, "\t" if name.endswith(".tsv") else ",", ascii_only=ascii_only))
    if name.endswith(".md"):
        return await in_slices(markdown(head, ascii_only=ascii_only))
    if name.endswith(".json") and whole:
        try:
            head = await asyncio.to_thread(lambda: json.dumps(json.loads(head), indent=2, ensure_ascii=False))
        except (ValueError, RecursionError):
            return [Raw(head)]
    if language := language_of(one.path):
        return [await in_slices(highlighted(head, language))]
    return [Raw(head)]


def table(text: str, delimiter: str, *, ascii_only: bool) -> Generator[None, None, list[Block]]:
    """CSV set out in columns; what is not CSV as it is."""
    rows: list[list[Content]] = []
    left = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter)):
            if number > TABLE_ROWS:
                left += 1
                continue
            rows.append([Content(one_line(cell, _CELL)) for cell in row[:TABLE_COLUMNS]])
            if number % 50 == 49:
                yield
    except csv.Error:
        return [Raw(text)]
    blocks: list[Block] = [Table(rows, ascii_only=ascii_only)]
    if left:
        blocks += [blank(), line((f"… and {words.plural(left, 'row')} more; press o for all of it", MUTED))]
    return blocks


async def _picture(engine: Engine, one: Artifact, rows: Callable[[], int], *, ascii_only: bool) -> Picture | str:
    """The picture, or why there is none to be seen (empty: it is no picture)."""
    if one.size > _PICTURE:
        return "It is too large to be shown here."
    return await asyncio.to_thread(lambda: decode(engine.blob(one.sha256), rows, ascii_only=ascii_only))
