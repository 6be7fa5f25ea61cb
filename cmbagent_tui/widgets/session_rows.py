"""The list of sessions and their runs: state, title, mode, steps, cost, age, as much as fits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.cells import cell_len
from textual.message import Message

from cmbagent_tui import look, words
from cmbagent_tui.look import Mark, Tone
from cmbagent_tui.state.sessions import SessionTree, Spot
from cmbagent_tui.widgets.paint import Piece
from cmbagent_tui.widgets.rows import Rows
from engine.model.browsing import DrivenBy, RunSummary
from engine.model.fuzzy import fit
from engine.model.ids import short
from engine.model.records import CostTotal, Run, SessionSummary
from engine.model.states import RunState
from engine.model.text import one_line

AT_WORK = frozenset({RunState.PLANNING, RunState.EXECUTING})
_WIDE = 110  # columns from which nothing is shortened
_ALONE = Mark("!", "!", "no process", Tone.FAILED)


class RowsMissing(Message):
    """Rows are on the screen that were not read yet."""


class SessionRows(Rows):
    """Paints a SessionTree. What was not read yet is asked for, once."""

    def __init__(self, tree: SessionTree, clock: Callable[[], datetime], *, ascii_only: bool) -> None:
        super().__init__(id="sessions", ascii_only=ascii_only)
        self._tree = tree
        self._clock = clock
        self._asked = False
        self.words: tuple[str, ...] = ()  # looked for, and shown where they are found

    @property
    def count(self) -> int:
        return self._tree.count

    def resized(self) -> None:
        self._asked = False
        super().resized()

    @property
    def window(self) -> tuple[int, int]:
        """The rows to be read: those on the screen, and as many around them."""
        top, height = self.scroll_offset.y, max(20, self.size.height)
        return top - height, top + 2 * height

    def pieces(self, index: int, width: int) -> list[Piece]:
        spot = self._tree.at(index)
        one = self._tree.sessions.get(spot.session_id)
        if one is None:
            if not self._asked:
                self._asked = True
                self.post_message(RowsMissing())
            return [Piece(0, "   ~" if self.ascii_only else "   …", Tone.MUTED)]
        run = self._tree.run_at(spot) if spot.run_id else None
        return self._run(spot, run, width) if run else self._session(one, width)

    def _session(self, one: SessionSummary, width: int) -> list[Piece]:
        session, run = one.session, one.last_run
        signs = "+-" if self.ascii_only else "▸▾"
        fold = signs[session.id in self._tree.runs] if one.runs else " "
        state = self._state(run, width)
        facts = self._facts(run, (one.steps_done, one.steps), one.cost, one.session.updated_at, width)
        if width >= 96:
            facts.insert(0, f"{session.mode.value:<17}")
        if width >= _WIDE:
            facts.insert(2, f"{words.plural(one.runs, 'run'):>8}")
        tail = f" {' '.join(facts)} "
        pieces = [Piece(0, f"{fold} ", Tone.MUTED), state]
        start = 2 + cell_len(state.text)
        room = max(8, width - start - cell_len(tail))
        shelf = "deleted: " if session.deleted_at else "archived: " if session.archived_at else ""
        title = words.fit(shelf + one_line(session.title), room, ascii_only=self.ascii_only)
        places = {len(shelf) + place for word in self.words if (it := fit(word, session.title)) for place in it.places}
        pieces += _set_off(start, title, places)
        tags = " ".join(f"#{tag}" for tag in session.tags)
        used = cell_len(title.rstrip())
        if tags and room - used > 6:
            tags = words.fit(tags, min(cell_len(tags), room - used - 3), ascii_only=self.ascii_only)
            pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip())
            pieces.append(Piece(start + used + 2, tags, Tone.RUNNING))
        return [*pieces, Piece(start + room, tail, Tone.MUTED)]

    def _run(self, spot: Spot, one: RunSummary, width: int) -> list[Piece]:
        run = one.run
        branch = ("`- " if self.ascii_only else "└─ ") if self._tree.is_last(spot) else None
        branch = branch or ("|- " if self.ascii_only else "├─ ")
        state = self._state(run, width)
        facts = self._facts(run, (one.steps_done, one.steps), one.cost, run.created_at, width)
        tail = f" {' '.join(facts)} "
        start = 5 + cell_len(state.text)
        room = max(8, width - start - cell_len(tail))
        what = f'branch "{run.branch_name}"  ' if run.branch_name else "replay  " if run.replay_of else ""
        text = f"{short(run.id)}  {what}{one_line(run.task)}"
        return [
            Piece(0, f"  {branch}", Tone.MUTED),
            state._replace(column=5),
            Piece(start, words.fit(text, room, ascii_only=self.ascii_only)),
            Piece(start + room, tail, Tone.MUTED),
        ]

    def _state(self, run: Run | None, width: int) -> Piece:
        """A glyph and a word, in a colour; of what is at work also whether another process has it, or none."""
        room = 24 if width >= _WIDE else 18
        mark, word = Mark("·", ".", "no run yet", Tone.MUTED), "no run yet"
        if run is not None:
            mark, word = driven_mark(run, self._tree.driven.get(run.id), long=width >= _WIDE)
        shown = words.fit(word, room - 2) if width >= 50 else ""
        strong = mark.tone in (Tone.RUNNING, Tone.WAITING, Tone.FAILED)
        return Piece(2, f"{mark.sign(self.ascii_only)} {shown}", mark.tone, strong=strong)

    def _facts(self, run: Run | None, steps: tuple[int, int], cost: CostTotal, at: datetime, width: int) -> list[str]:
        age = words.age(at, self._clock())
        facts = [f"{age:>10}" if width >= _WIDE else f"{age.removeprefix('20'):>8}"]
        if width >= 60:
            facts.insert(0, f"{words.cost(cost):>7}")
        if width >= 76:
            done = f"{steps[0]}/{steps[1]}" if run and steps[1] else ""
            facts.insert(0, f"{done:>7}")
        return facts


def driven_mark(run: Run, by: DrivenBy | None, *, long: bool = False) -> tuple[Mark, str]:
    """The look of a run, and its word; of what is at work also whether another process has it, or none."""
    mark = look.of_run(run.state)
    if run.state in AT_WORK and by is DrivenBy.ELSEWHERE:
        return mark, f"{mark.word} elsewhere" if long else "elsewhere"
    if run.state in AT_WORK and by is DrivenBy.NOBODY:
        return _ALONE, f"{mark.word}, no process" if long else "no process"
    return mark, mark.word


def _set_off(column: int, text: str, places: set[int]) -> list[Piece]:
    """A title, with the letters that were looked for set off."""
    pieces: list[Piece] = []
    begin = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or (end in places) != (begin in places):
            part = text[begin:end]
            pieces.append(Piece(column, part, Tone.WAITING if begin in places else Tone.PLAIN, strong=True))
            column += cell_len(part)
            begin = end
    return pieces
