"""The steps of a plan that is edited, one a row; and for one of them, which others it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len

from cmbagent_tui import look, words
from cmbagent_tui.look import Tone
from cmbagent_tui.state.plan_draft import PlanDraft, Problems
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows

_NUMBER = 6  # cells, with the mark
_MOST = 24  # cells of an id
_AGENT = 12


class StepRows(Rows):
    """Number, id, title, agent, and what it waits for; marked where something is wrong with it."""

    def __init__(self, draft: PlanDraft, *, ascii_only: bool) -> None:
        super().__init__(id="plan-steps", ascii_only=ascii_only)
        self.draft = draft
        self.problems = Problems()
        self._known = self._waits = 0  # cells of the longest id, and of the longest list of what a step waits for

    @property
    def count(self) -> int:
        return len(self.draft.steps)

    def renew(self) -> None:
        """Show the steps as they are now."""
        self.problems = self.draft.problems()
        steps = self.draft.steps
        self._known = min(_MOST, max((cell_len(str(one.get("id", ""))) for one in steps), default=0))
        self._waits = max((cell_len(_after(one)) for one in steps), default=0)
        self.resized()

    def pieces(self, index: int, width: int) -> list[Piece]:
        step, bad = self.draft.steps[index], index in self.problems.of_steps
        mark = look.BAD.sign(self.ascii_only) if bad else " "
        name, title = str(step.get("id", "")), str(step.get("title") or "(no title)")
        known, after = self._known, _after(step)
        agent = _AGENT if width >= 60 else 0
        right = min(self._waits, max(8, width // 4))
        room = max(4, width - _NUMBER - known - 2 - agent - right - 2)
        at = _NUMBER + known + 2
        plain = {"ascii_only": self.ascii_only}
        pieces = [
            Piece(0, f" {mark} ", Tone.FAILED, strong=True),
            Piece(3, f"{index + 1:>2} ", Tone.MUTED),
            Piece(_NUMBER, words.fit(name, known, **plain), Tone.FAILED if bad else Tone.PLAIN, strong=True),
            Piece(at, words.fit(title, room, **plain)),
        ]
        if agent:
            pieces.append(Piece(at + room + 1, words.fit(str(step.get("agent", "")), agent - 1, **plain), Tone.RUNNING))
        pieces.append(Piece(at + room + 1 + agent, words.fit(after, right, **plain), Tone.MUTED))
        return pieces


def _after(step: Mapping[str, Any]) -> str:
    """What a step waits for, in words."""
    waits = ", ".join(map(str, step.get("depends_on") or ()))
    return f"after {waits}" if waits else "at once"


class WireRows(Rows):
    """All steps but one, each with whether that one waits for it."""

    def __init__(self, draft: PlanDraft, place: int, *, ascii_only: bool) -> None:
        super().__init__(id="wire-steps", ascii_only=ascii_only)
        self._draft, self._place = draft, place

    @property
    def names(self) -> list[str]:
        """What it may wait for: every other step, and what it waits for though there is no such step."""
        known = [str(one.get("id")) for place, one in enumerate(self._draft.steps) if place != self._place]
        missing = [str(one) for one in self._draft.steps[self._place].get("depends_on") or () if one not in known]
        return [*known, *missing]

    @property
    def count(self) -> int:
        return len(self.names)

    def pieces(self, index: int, width: int) -> list[Piece]:
        name = self.names[index]
        waits = name in (self._draft.steps[self._place].get("depends_on") or ())
        titles = {str(one.get("id")): str(one.get("title", "")) for one in self._draft.steps}
        text = f"{name}  {titles.get(name, 'there is no such step')}"
        sign = "[x]" if waits else "[ ]"
        tone = Tone.FAILED if name not in titles else Tone.PLAIN if waits else Tone.MUTED
        return [
            Piece(1, sign, Tone.OK if waits else Tone.MUTED, strong=waits),
            Piece(5, words.fit(text, max(1, width - 5), ascii_only=self.ascii_only), tone),
        ]
