"""The status line of a run: state, elapsed, steps, cost, sandbox, model, as much of it as fits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from textual.content import Content
from textual.widget import Widget

from cmbagent_tui import look, words
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.state.board import Board


class StatusLine(Widget):
    """One line. What matters least is left out first where it is narrow."""

    def __init__(
        self, clock: Callable[[], datetime], sandbox: str, *, ascii_only: bool = False, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._clock = clock
        self._sandbox = sandbox
        self._ascii = ascii_only
        self.board: Board | None = None

    def show(self, board: Board) -> None:
        """Show a board (again)."""
        self.board = board
        self.refresh()

    def render(self) -> Content:
        board = self.board
        if board is None:
            return Content("opening the run")
        mark = look.of_run(board.run.state)
        done, failed, steps = board.progress()
        elapsed = board.elapsed(self._clock())
        used = words.used(board.cost, board.run.options)
        parts: list[Content] = [
            Content.assemble((f"{mark.sign(self._ascii)} {mark.word}", f"bold {STYLES[mark.tone]}")),
            Content(words.duration(elapsed) if elapsed is not None else "not started"),
            Content.assemble(
                f"{done}/{words.plural(steps, 'step')}" if steps else "no plan yet",
                (f", {failed} failed" if failed else "", STYLES[Tone.FAILED]),
                (f", {unchecked} unchecked" if (unchecked := board.unchecked()) else "", STYLES[Tone.WAITING]),
            ),
            *(Content(one) for one in used),
            Content(f"sandbox: {self._sandbox}"),
            Content(words.model(board.models())),
        ]
        between = Content.assemble((" | " if self._ascii else " · ", "$foreground 35%"))
        while len(parts) > 1 and sum(p.cell_length for p in parts) + 3 * (len(parts) - 1) > self.size.width:
            parts.pop()
        return between.join(parts)
