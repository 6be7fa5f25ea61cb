"""The runs of a session as a tree, a row each: state, name, the step that it departs from, steps, cost, age."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType

from cmbagent_tui import words
from cmbagent_tui.look import Mark, Tone
from cmbagent_tui.state.branches import Guide, comes_from, guides, origin
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from cmbagent_tui.widgets.session_rows import driven_mark
from engine.model.browsing import DrivenBy
from engine.model.ids import short
from engine.model.lineage import Descendant
from engine.model.text import one_line

_WIDE, _MIDDLE, _NARROW = 100, 60, 40  # columns from which all, most, and the age are shown
_HERE = 3  # cells before the tree: for the run that one came from, and the marked one


class BranchRows(Rows):
    """Paints what it is given; the cursor keeps to its run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "origin", "Origin", show=False, id="branches.origin", tooltip="To the run it comes from"),
        Binding("right,l", "branch", "Branch", show=False, id="branches.branch", tooltip="To the first run from it"),
    ]

    def __init__(self, clock: Callable[[], datetime], came_from: str | None, *, ascii_only: bool) -> None:
        """`came_from` is the run that the tree was opened from, if it was one."""
        super().__init__(id="branches", ascii_only=ascii_only)
        self._clock = clock
        self._came_from = came_from
        self._guides: list[Guide] = []
        self._marks: list[tuple[Mark, str]] = []
        self._head = 0
        self.runs: Sequence[Descendant] = ()
        self.marked: str | None = None  # the run that others are compared with

    @property
    def count(self) -> int:
        return len(self.runs)

    @property
    def chosen(self) -> Descendant | None:
        """What the cursor is on."""
        return self.runs[self.cursor] if self.cursor < self.count else None

    def renew(self, runs: Sequence[Descendant], driven: Mapping[str, DrivenBy], first: str | None) -> None:
        """Show other runs; with the cursor on that of the id `first`, where there was none before."""
        wanted = self.chosen.summary.run.id if self.chosen else first
        self.runs = runs
        self._guides = guides(runs, ascii_only=self.ascii_only)
        self._marks = [driven_mark(one.summary.run, driven.get(one.summary.run.id)) for one in runs]
        heads = (len(guide.lead) + len(word) for guide, (_, word) in zip(self._guides, self._marks, strict=True))
        self._head = max(heads, default=0) + 4  # cells of the longest, with its glyph and what sets it off
        self.resized()
        self._go_to(wanted)

    def has(self, run_id: str) -> bool:
        """Whether a run is in the tree."""
        return any(one.summary.run.id == run_id for one in self.runs)

    def mark(self) -> None:
        """Mark the run that the cursor is on; unmark it, if it is marked."""
        if self.chosen is not None:
            run_id = self.chosen.summary.run.id
            self.marked = None if self.marked == run_id else run_id
            self.refresh()

    def _go_to(self, run_id: str | None) -> bool:
        place = next((at for at, one in enumerate(self.runs) if one.summary.run.id == run_id), None)
        if place is not None:
            self.go(place)
        return place is not None

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.runs[index]
        run = one.summary.run
        here = run.id == self._came_from
        tail = self._facts(one, width)
        lead = self._lead(index, width)
        mark, word = self._marks[index]
        state = f"{mark.sign(self.ascii_only)} {word}  " if width >= _MIDDLE else f"{mark.sign(self.ascii_only)} "
        if width >= _MIDDLE:
            state = state.ljust(min(self._head, width * 2 // 5) - len(lead))
        start = _HERE + cell_len(lead)
        what = f"{short(run.id)}  {origin(one)}" if width >= _WIDE else origin(one)
        if run.hypothesis:
            what = f"{what}  {one_line(run.hypothesis)}"
        at = start + cell_len(state)
        room = max(1, width - at - cell_len(tail))
        return [
            Piece(0, self._signs(run.id), Tone.RUNNING, strong=True),
            Piece(_HERE, lead, "line"),
            Piece(start, state, mark.tone, strong=mark.tone in (Tone.RUNNING, Tone.WAITING, Tone.FAILED)),
            Piece(at, words.fit(what, room, ascii_only=self.ascii_only), strong=here),
            Piece(at + room, tail, Tone.MUTED),
        ]

    def _signs(self, run_id: str) -> str:
        here, marked = (">", "*") if self.ascii_only else ("▸", "●")
        return (here if run_id == self._came_from else " ") + (marked if run_id == self.marked else " ")

    def _lead(self, index: int, width: int) -> str:
        """The lines of the tree; where it is very deep, the nearest of them."""
        lead, most = self._guides[index].lead, max(3, width // 3 // 3 * 3)
        return lead if len(lead) <= most else ("~" if self.ascii_only else "…") + lead[1 - most :]

    def _facts(self, one: Descendant, width: int) -> str:
        age = words.age(one.summary.run.created_at, self._clock())
        facts = [f"{age:>10}" if width >= _WIDE else f"{age.removeprefix('20'):>8}"] if width >= _NARROW else []
        if width >= _MIDDLE:
            facts.insert(0, f"{words.cost(one.summary.cost):>7}")
        if width >= _WIDE:
            done = f"{one.summary.steps_done}/{one.summary.steps}" if one.summary.steps else ""
            facts = [*self._noted(one.summary.run.id), f"{done:>7}", *facts]
        return f" {' '.join(facts)} " if facts else ""

    def _noted(self, run_id: str) -> list[str]:
        said = ["this run"] if run_id == self._came_from else []
        return [*said, "marked"] if run_id == self.marked else said

    # Keys

    def action_origin(self) -> None:
        """To the run that this one comes from."""
        if self.chosen and not self._go_to(comes_from(self.chosen.summary.run)):
            self.notify("This run comes from no other.", markup=False)

    def action_branch(self) -> None:
        """To the first run that comes from this one."""
        under = self.cursor + 1
        if under < self.count and self.runs[under].depth > self.runs[self.cursor].depth:
            self.go(under)
        elif self.count:
            self.notify("No run comes from this one.", markup=False)
