"""Everything that an event holds, as text."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cmbagent_tui import words
from cmbagent_tui.slices import in_slices
from cmbagent_tui.state.board import Board
from cmbagent_tui.widgets.detail.blocks import Block, Raw, blank, field_row, line, title
from cmbagent_tui.widgets.detail.highlighting import highlighted
from cmbagent_tui.widgets.detail.source import body, is_blob, pretty
from cmbagent_tui.widgets.timeline.wording import words_of
from engine.model.events import Event, Phase

if TYPE_CHECKING:
    from engine import Engine

_SHORT = 60  # characters that stand beside their name


async def event(engine: Engine, board: Board, shown: Event, began: datetime | None) -> list[Block]:
    """Kind, time, place, and every field of the event's data."""
    where = board.cards.get(shown.node_id or "")
    phase = "" if shown.phase is Phase.POINT else f" {shown.phase.value}"
    since = words.offset((shown.at - (began or shown.at)).total_seconds())
    rows = [
        ("what", f"{shown.kind.value.replace('_', ' ')}{phase}"),
        ("number", str(shown.seq)),
        ("at", f"{shown.at:%H:%M:%S} UTC, {since} into the run"),
        ("step", where.node.step if where else "none"),
        ("agent", shown.agent or "none"),
    ]
    blocks: list[Block] = [line((words_of(shown), "bold")), blank()]
    blocks += [field_row(name, value) for name, value in rows]
    for name, value in shown.data.items():
        text = await body(engine, value) if isinstance(value, str) or is_blob(value) else pretty(value)
        if "\n" not in text and len(text) <= _SHORT:
            blocks.append(field_row(name, text))
            continue
        blocks += [blank(), title(name)]
        if name == "code":
            blocks.append(await in_slices(highlighted(text, "python")))
        else:
            blocks.append(Raw(text.rstrip()))
    return blocks
