"""The whole drawing on a few cells: in each the most telling state of the nodes that fall into it."""

from __future__ import annotations

from collections.abc import Mapping

from cmbagent_tui import look
from cmbagent_tui.look import Mark, Tone
from cmbagent_tui.state.board import Card
from cmbagent_tui.widgets.dag.drawing import Drawing
from cmbagent_tui.widgets.paint import Piece
from engine.model.states import StepState

WIDEST, HIGHEST = 24, 12  # cells
_STATES = (
    StepState.FAILED,
    StepState.WAITING_APPROVAL,
    StepState.RUNNING,
    StepState.PAUSED,
    StepState.PENDING,
)
_TELLING = (
    *map(look.of_step, _STATES),
    look.WAIVED,
    look.UNCHECKED,
    *map(look.of_step, (StepState.COMPLETED, StepState.CANCELLED, StepState.SKIPPED)),
)
_RANK = {mark: place for place, mark in enumerate(_TELLING)}
# Smaller than in the drawing: there are many.
_QUIET = {look.of_step(StepState.PENDING): "·", look.of_step(StepState.COMPLETED): "•"}


class Minimap:
    """Made anew with every drawing; a node's change of state concerns one cell."""

    def __init__(self, drawing: Drawing, room: tuple[int, int]) -> None:
        self._drawing = drawing
        self.width = max(1, min(WIDEST, room[0] // 3, drawing.width))
        self.height = max(1, min(HIGHEST, room[1] // 2, drawing.height))
        self._cells: dict[tuple[int, int], list[str]] = {}
        for node, spot in drawing.spots.items():
            self._cells.setdefault(self.cell(spot.mark, spot.y), []).append(node)

    def cell(self, x: int, y: int) -> tuple[int, int]:
        """The cell that a place of the drawing falls into."""
        across = x * self.width // max(1, self._drawing.width)
        down = y * self.height // max(1, self._drawing.height)
        return min(self.width - 1, max(0, across)), min(self.height - 1, max(0, down))

    def row(self, y: int, cards: Mapping[str, Card], ascii_only: bool) -> list[Piece]:
        """A row of the map, every cell of it."""
        pieces: list[Piece] = []
        for x in range(self.width):
            marks = [_mark(cards[node]) for node in self._cells.get((x, y), ())]
            if not marks:
                pieces.append(Piece(x, " ", Tone.MUTED))
                continue
            mark = min(marks, key=_RANK.__getitem__)
            sign = mark.sign(ascii_only) if ascii_only else _QUIET.get(mark, mark.glyph)
            pieces.append(Piece(x, sign, mark.tone))
        return pieces


def _mark(card: Card) -> Mark:
    return look.of_step(card.node.state, card.checked)
