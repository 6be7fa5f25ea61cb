"""What a node's row says: glyph, id, attempt, what hangs under it, title, cost and time, as much as fits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len

from cmbagent_tui import look, words
from cmbagent_tui.look import Tone
from cmbagent_tui.state.board import Card
from cmbagent_tui.widgets.dag.drawing import Spot
from cmbagent_tui.widgets.paint import Piece
from engine.model.records import NodeKind
from engine.model.states import StepState

_FIGURES = 7  # cells kept for the elapsed time, with its blank
_PLAINLY_NAMED = (NodeKind.PLANNING, NodeKind.APPROVAL, NodeKind.TERMINATOR)
_DIM = (StepState.SKIPPED, StepState.CANCELLED, StepState.PENDING)


def label(card: Card) -> tuple[str, str]:
    """What names a node, and its longer title."""
    node = card.node
    again = f" #{card.attempt}" if card.attempt > 1 else ""
    if node.kind in _PLAINLY_NAMED or node.title == node.step:
        return words.flat(node.title) + again, ""
    return words.flat(node.step) + again, words.flat(node.title)


def doubtful(card: Card) -> str:
    """What a completed step's result rests on, where that is not its checks."""
    mark = look.of_step(card.node.state, card.checked)
    return f" {mark.word}" if mark in (look.UNCHECKED, look.WAIVED) else ""


def natural_width(card: Card, inside: int = 0) -> int:
    """Cells in which a node's row says everything."""
    name, title = label(card)
    fold = 4 + 2 * len(str(inside)) if inside else 0
    return 2 + cell_len(name) + fold + len(doubtful(card)) + (2 + cell_len(title) if title else 0) + 2 * _FIGURES


def fold_mark(inside: Sequence[Card], unfolded: bool, ascii_only: bool) -> str:
    """Whether sub-nodes are shown, and how many of them are done."""
    if not inside:
        return ""
    sign = ("-" if ascii_only else "▾") if unfolded else ("+" if ascii_only else "▸")
    done = sum(card.node.state.terminal for card in inside)
    return f" {sign}{done}/{len(inside)}"


def row(card: Card, spot: Spot, now: datetime, fold: str, *, ascii_only: bool) -> list[Piece]:
    """A node's row, in order of column."""
    node = card.node
    mark = look.of_node(node, card.checked)
    pieces = [Piece(spot.mark, mark.sign(ascii_only), mark.tone, strong=node.state is StepState.RUNNING)]
    name, title = label(card)
    figures = _figures(card, spot.width, cell_len(name) + cell_len(fold) + cell_len(title) + 3, now)
    room = spot.width - (cell_len(figures) + 1 if figures else 0)
    dim = node.state in _DIM
    tone = Tone.MUTED if dim else Tone.FAILED if node.state is StepState.FAILED else Tone.PLAIN
    text = words.fit(name, min(room - cell_len(fold), cell_len(name)), ascii_only=ascii_only)
    pieces.append(Piece(spot.x, text, tone, strong=not dim))
    used = cell_len(text)
    if (doubt := doubtful(card)) and room - used >= cell_len(doubt):
        pieces.append(Piece(spot.x + used, doubt, mark.tone))
        used += cell_len(doubt)
    if fold and room - used >= cell_len(fold):
        pieces.append(Piece(spot.x + used, fold, Tone.PLAIN if not dim else Tone.MUTED))
        used += cell_len(fold)
    rest = f"  {title}" if title and room - used >= 8 else ""
    pieces.append(Piece(spot.x + used, words.fit(rest, room - used, ascii_only=ascii_only), Tone.MUTED))
    if figures:
        pieces.append(Piece(spot.x + room, f" {figures}", Tone.MUTED))
    return pieces


def _figures(card: Card, width: int, named: int, now: datetime) -> str:
    """Elapsed time, and the cost where that leaves room for the name (`named` cells)."""
    elapsed = card.elapsed(now)
    if elapsed is None or width < 18:
        return ""
    time = words.duration(elapsed).rjust(_FIGURES - 1)
    price = words.cost(card.cost) if card.cost.calls else ""
    return f"{price} {time}" if price and width - named > len(price) + _FIGURES else time
