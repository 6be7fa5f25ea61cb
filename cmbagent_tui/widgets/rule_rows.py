"""Rules and grants, one a row; and the ways in which a run asks."""

from __future__ import annotations

from collections.abc import Sequence

from cmbagent_tui import words
from cmbagent_tui.look import Tone
from cmbagent_tui.state.rules import MODES, TONES, Ruling
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from engine.model.options import ApprovalMode

_NAME = 11  # cells


class RuleRows(Rows):
    """What each is called, what it matches, and why it is there."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="rules-list", ascii_only=ascii_only)
        self.rulings: Sequence[Ruling] = ()

    @property
    def count(self) -> int:
        return len(self.rulings)

    @property
    def chosen(self) -> Ruling | None:
        """What the cursor is on."""
        return self.rulings[self.cursor] if self.rulings else None

    def renew(self, rulings: Sequence[Ruling]) -> None:
        """Show these."""
        self.rulings = rulings
        self.resized()

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.rulings[index]
        why = f"  {one.why}" if one.why else ""
        room = max(4, width - _NAME - 2)
        text = words.fit(f"{one.what}{why}", room, ascii_only=self.ascii_only)
        what = text[: len(one.what)]
        pieces = [
            Piece(1, words.fit(one.name, _NAME, ascii_only=self.ascii_only), TONES.get(one.effect, Tone.MUTED), True),
            Piece(_NAME + 1, what),
        ]
        rest = text[len(what) :]
        return [*pieces, Piece(_NAME + 1 + words.cells(what), rest, Tone.MUTED)] if rest else pieces


class ModeRows(Rows):
    """Every mode, and what is asked in it."""

    def __init__(self, now: ApprovalMode, *, ascii_only: bool) -> None:
        super().__init__(id="modes-list", ascii_only=ascii_only)
        self.now = now

    @property
    def count(self) -> int:
        return len(MODES)

    def pieces(self, index: int, width: int) -> list[Piece]:
        mode, what = MODES[index]
        mark = "*" if mode is self.now else " "
        room = max(1, width - 21)
        return [
            Piece(1, mark, Tone.OK, strong=True),
            Piece(3, f"{mode.value:<18}", Tone.PLAIN, strong=mode is self.now),
            Piece(21, words.fit(what, room, ascii_only=self.ascii_only), Tone.MUTED),
        ]
