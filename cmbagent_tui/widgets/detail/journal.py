"""The journal of a step: every answer that it was given, in order, and what each holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from cmbagent_tui import words
from cmbagent_tui.look import STYLES, Mark, Tone
from cmbagent_tui.slices import in_slices
from cmbagent_tui.widgets.detail.about import About
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, blank, field_row, line, title
from cmbagent_tui.widgets.detail.highlighting import highlighted
from cmbagent_tui.widgets.detail.listing import ListedRows, Listing
from cmbagent_tui.widgets.detail.source import pretty
from cmbagent_tui.widgets.paint import Piece
from engine.model.events import Event, EventKind, Phase
from engine.model.records import Attempt, AttemptState, JournalEntry
from engine.model.text import one_line

_CALLS = (EventKind.MODEL_CALL, EventKind.TOOL_CALL)
_ASKED = 30  # messages of a request that are listed
_REQUEST = re.compile(r"(.*?) ([0-9]+) [0-9a-f]{32} (.*)", re.DOTALL)
_READ = 2_000  # events of calls that are looked through for what was replayed

ANSWERED = Mark("✓", "+", "answered", Tone.OK)
ASKED = Mark("◉", ">", "asked", Tone.RUNNING)
UNKNOWN = Mark("◆", "?", "outcome unknown", Tone.WAITING)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry, in which attempt it stands, and whether its answer came from a recording."""

    entry: JournalEntry
    attempt: Attempt
    replayed: bool

    @property
    def mark(self) -> Mark:
        """How it ended: an intent without an answer may or may not have happened, once its attempt is over."""
        if self.entry.answer is not None:
            return ANSWERED
        return ASKED if self.attempt.state is AttemptState.RUNNING else UNKNOWN


async def lines_of(about: About) -> list[Line]:
    """The entries of all attempts of a node, the newest attempt first."""
    attempts = await about.attempts()
    calls = await about.engine.events(
        about.board.run.id, node_id=about.card.node.id, kinds=_CALLS, newest=True, limit=_READ
    )
    replayed = _replayed(calls)
    found: list[Line] = []
    for attempt in reversed(attempts):
        for entry in await about.reads.journal(attempt.id):
            found.append(Line(entry, attempt, (attempt.id, entry.agent, entry.sequence) in replayed))
    return found


def _replayed(calls: Sequence[Event]) -> set[tuple[str | None, str | None, int]]:
    """(attempt, agent, sequence) of the calls whose answer was not asked for anew."""
    starts: dict[str, Event] = {}
    found: set[tuple[str | None, str | None, int]] = set()
    for event in calls:
        if event.phase is Phase.START:
            starts[event.id] = event
        start = starts.get(event.span_id or event.id)
        sequence = start.data.get("sequence") if start else None
        if event.data.get("replayed") and isinstance(sequence, int):
            found.add((event.attempt_id, event.agent, sequence))
    return found


class JournalRows(ListedRows):
    """Attempt, sequence, agent, kind, name, and how it ended."""

    def __init__(self, *, ascii_only: bool, id: str | None = None) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self.lines: list[Line] = []

    @property
    def count(self) -> int:
        return len(self.lines)

    def pieces(self, index: int, width: int) -> list[Piece]:
        one = self.lines[index]
        entry, mark = one.entry, one.mark
        several = self.lines[0].attempt.number > 1
        place = f"{one.attempt.number}." if several else ""
        lead = f"{place}{entry.sequence}".rjust(5 if several else 3)
        ended = f"{mark.word}{', replayed' if one.replayed else ''}"
        names = f" {one_line(entry.agent, 30)}  {entry.kind} {one_line(words.model(entry.name))}"
        room = max(4, width - len(lead) - 3 - cell_len(ended))
        return [
            Piece(0, lead, Tone.MUTED),
            Piece(len(lead), f" {mark.sign(self.ascii_only)}", mark.tone),
            Piece(len(lead) + 2, words.fit(names, room, ascii_only=self.ascii_only)),
            Piece(len(lead) + 2 + room, f" {ended}", Tone.MUTED if mark is ANSWERED else mark.tone),
        ]


class JournalSection(Listing):
    """Every answer that was paid for or waited for, and whether it is known."""

    rows: JournalRows

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(JournalRows(ascii_only=ascii_only, id="journal-rows"), ascii_only=ascii_only, id=id)
        self._ascii = ascii_only

    async def show(self, about: About) -> None:
        """Read the journal of a node and list it."""
        before = _key(one) if (one := self.chosen()) else None
        self.rows.lines = await lines_of(about)
        keys = [_key(one) for one in self.rows.lines]
        self.listed(keys.index(before) if before in keys else 0)
        await self.fill_preview()

    def chosen(self) -> Line | None:
        """The entry under the cursor."""
        return self.rows.lines[self.rows.cursor] if self.rows.cursor < self.rows.count else None

    def chosen_key(self) -> object:
        one = self.chosen()
        return _key(one) if one else None

    async def blocks(self) -> Sequence[Block]:
        one = self.chosen()
        if one is None:
            return [line(("No answer was recorded yet.", MUTED))]
        entry, mark = one.entry, one.mark
        how = [(f"{mark.sign(self._ascii)} {mark.word}", STYLES[mark.tone])]
        if one.replayed:
            how.append((", replayed: it was recorded before, and nobody was asked again", MUTED))
        elif mark is UNKNOWN:
            again = "it may be made again" if entry.repeatable else "it is not made again without asking you"
            how.append((f": it began, and how it ended was never recorded; {again}", MUTED))
        blocks: list[Block] = [
            line((f"{entry.kind} {words.model(entry.name)}", "bold"), (f"  {entry.sequence} of {entry.agent}", MUTED)),
            field_row("outcome", *how),
            field_row("attempt", f"{one.attempt.number}, {one.attempt.state.value}"),
            field_row("at", f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"),
            field_row("request", f"sha256 {entry.request_hash[:16]}" if entry.request_hash else "not recorded"),
        ]
        if entry.request:
            left = len(entry.request) - _ASKED
            blocks += [blank(), title("What was asked", f"the newest {_ASKED} messages" if left > 0 else "")]
            blocks += [_asked(text) for text in entry.request[-_ASKED:]]
        if entry.answer is not None:
            blocks += [blank(), title("The answer"), await in_slices(highlighted(pretty(entry.answer), "json"))]
        return blocks


def _asked(text: str) -> Block:
    """A line of a request: role, length, hash, and how the message begins."""
    found = _REQUEST.match(text)
    if found is None:
        return line((one_line(text, 300), MUTED))
    role, length, beginning = found.groups()
    return field_row(one_line(role, 8), one_line(beginning, 300), (f"  {int(length):,} characters", MUTED))


def _key(one: Line) -> tuple[str, str, int]:
    return one.attempt.id, one.entry.agent, one.entry.sequence
