"""Everything that an event holds, as text."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content

from cmbagent_tui import words
from cmbagent_tui.state.board import Board
from cmbagent_tui.widgets.detail.source import body, heading, is_blob
from cmbagent_tui.widgets.timeline.wording import words_of
from engine.model.events import Event, Phase
from engine.model.text import clean

if TYPE_CHECKING:
    from engine import Engine


async def event(engine: Engine, board: Board, shown: Event, began: datetime | None) -> Content:
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
    parts = [Content.assemble((words_of(shown), "bold"), "\n\n")]
    parts += [Content.assemble((f"{name:<9}", "$foreground 58%"), value, "\n") for name, value in rows]
    for name, value in shown.data.items():
        text = await body(engine, value) if isinstance(value, str) or is_blob(value) else _pretty(value)
        if "\n" in text or len(text) > 60:
            parts += [heading(name), Content(text.rstrip() + "\n")]
        else:
            parts.append(Content.assemble((f"{name:<9} ", "$foreground 58%"), text, "\n"))
    return Content("").join(parts)


def _pretty(value: object) -> str:
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return clean(json.dumps(value, indent=2, ensure_ascii=False, default=str), 20_000)
