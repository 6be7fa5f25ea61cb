"""The list of what waits for a person: kind, risk, step, who asks, age and countdown, as much as fits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cmbagent_tui import words
from cmbagent_tui.look import Tone
from cmbagent_tui.state.inbox import Waiting, countdown, kind_of
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows

_KIND, _AGE, _LEFT = 12, 8, 18  # cells
_STEP, _ASKS, _SESSION = 13, 11, 19
_MIDDLE = 60  # columns from which the step has one of its own
_WIDE = 90  # and the session, and who asks


class InboxRows(Rows):
    """Paints what it is given; the cursor keeps to its approval, whatever comes and goes."""

    def __init__(self, clock: Callable[[], datetime], *, ascii_only: bool) -> None:
        super().__init__(id="inbox-list", ascii_only=ascii_only)
        self._clock = clock
        self._told: dict[int, tuple[str, str, Tone]] = {}  # what of the time a painted row says
        self.waiting: list[Waiting] = []
        self._counted = False  # whether any of them has a deadline

    @property
    def count(self) -> int:
        return len(self.waiting)

    @property
    def chosen(self) -> Waiting | None:
        """What the cursor is on."""
        return self.waiting[self.cursor] if self.cursor < self.count else None

    def renew(self, waiting: list[Waiting]) -> bool:
        """Show another list; give whether another approval is under the cursor now."""
        before = self.chosen.approval.id if self.chosen else None
        places = {one.approval.id: place for place, one in enumerate(waiting)}
        self.waiting = waiting
        self._counted = any(one.approval.deadline_at for one in waiting)
        self.resized()
        self.go(places.get(before or "", self.cursor))
        return self.chosen is not None and self.chosen.approval.id != before

    def tick(self) -> None:
        """Paint the rows anew in which the time says something else."""
        for index in list(self._told):
            if index >= self.count or self._told[index] != self._times(index):
                self._told.pop(index)
                self.refresh_line(index)

    def _times(self, index: int) -> tuple[str, str, Tone]:
        """The age of a row, its countdown, and how that is painted."""
        one, now = self.waiting[index].approval, self._clock()
        left, tone = countdown(one, now) or ("", Tone.MUTED)
        return words.age(one.created_at, now), left, tone

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.waiting[index]
        kind = kind_of(one.approval)
        age, left, urgency = self._told[index] = self._times(index)
        cells = [(f"{kind.sign(self.ascii_only)} {kind.word}", _KIND, kind.tone)]
        cells.append((f"{one.risk.word}: {one.risk.what}", 0, one.risk.tone))
        if width >= _WIDE:
            cells.append((one.session, _SESSION, Tone.PLAIN))
        if width >= _MIDDLE:
            cells.append((one.step, _STEP, Tone.PLAIN))
        if width >= _WIDE:
            cells.append((one.asks, _ASKS, Tone.MUTED))
        cells.append((age, _AGE, Tone.MUTED))
        if self._counted:
            cells.append((left, _LEFT, urgency))
        room = max(8, width - 1 - sum(cell for _, cell, _ in cells))
        pieces: list[Piece] = []
        at = 1
        for text, cell, tone in cells:
            shown = words.fit(text, (cell or room) - 1, ascii_only=self.ascii_only)
            pieces.append(Piece(at, shown, tone, strong=cell == 0 and tone is Tone.FAILED))
            at += cell or room
        return pieces
