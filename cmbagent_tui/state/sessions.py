"""The home screen's list as plain state: sessions in order, the runs of those that are unfolded, and what is read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.model.browsing import DrivenBy, RunSummary
from engine.model.records import SessionSummary

KEPT = 600  # sessions that were read and are held, beside those on the screen


@dataclass(frozen=True, slots=True)
class Spot:
    """What stands in a row: a session, or one of its runs."""

    session_id: str
    run_id: str | None = None


class SessionTree:
    """Rows by their number, and back. However many sessions there are, only those near the screen are ever held."""

    def __init__(self) -> None:
        self.ids: Sequence[str] = ()
        self.sessions: dict[str, SessionSummary] = {}
        self.runs: dict[str, list[RunSummary]] = {}  # of the unfolded ones
        self.driven: dict[str, DrivenBy] = {}  # the runs at work
        self._place: dict[str, int] = {}
        self._starts: list[int] = []  # rows of the unfolded sessions, in order
        self._ends: list[int] = []  # rows behind their last runs
        self._shift: list[int] = []  # how many rows of runs there are up to those

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.ids) + (self._shift[-1] if self._shift else 0)

    def take(self, ids: Sequence[str]) -> None:
        """Take another order over."""
        self.ids = ids
        self._place = {one: place for place, one in enumerate(ids)}
        self._arrange()

    def show(
        self,
        sessions: Iterable[SessionSummary],
        runs: Mapping[str, list[RunSummary]],
        driven: Mapping[str, DrivenBy],
        *,
        afresh: bool,
    ) -> None:
        """Take over what was read; `afresh`, what was read before is out of date."""
        if afresh:
            self.sessions.clear()
        self.sessions.update((one.session.id, one) for one in sessions)
        for old in list(self.sessions)[:-KEPT]:
            del self.sessions[old]
        self.runs.update((one, found) for one, found in runs.items() if one in self.runs)
        self.driven.update(driven)
        self._arrange()

    def unfold(self, session_id: str, runs: list[RunSummary]) -> None:
        """Show a session's runs under it."""
        self.runs[session_id] = runs
        self._arrange()

    def fold(self, session_id: str) -> None:
        """Show a session alone."""
        self.runs.pop(session_id, None)
        self._arrange()

    def at(self, row: int) -> Spot:
        """What stands in a row."""
        which = bisect_right(self._starts, row) - 1
        if which >= 0 and row < self._ends[which]:
            session_id = self.ids[self._starts[which] - (self._shift[which - 1] if which else 0)]
            inner = row - self._starts[which] - 1
            return Spot(session_id, self.runs[session_id][inner].run.id if inner >= 0 else None)
        return Spot(self.ids[row - (self._shift[which] if which >= 0 else 0)])

    def run_at(self, spot: Spot) -> RunSummary | None:
        """The run of a row; None for a session's."""
        return next((one for one in self.runs.get(spot.session_id, ()) if one.run.id == spot.run_id), None)

    def row_of(self, spot: Spot) -> int | None:
        """Where something stands; a run that is folded away, where its session does."""
        place = self._place.get(spot.session_id)
        if place is None:
            return None
        row = place
        for session_id, found in self.runs.items():
            if self._place.get(session_id, place) < place:
                row += len(found)
        inner = [one.run.id for one in self.runs.get(spot.session_id, ())]
        return row + 1 + inner.index(spot.run_id) if spot.run_id in inner else row

    def is_last(self, spot: Spot) -> bool:
        """Whether a run is the last one under its session."""
        return self.runs[spot.session_id][-1].run.id == spot.run_id

    def between(self, first: int, last: int) -> list[str]:
        """The sessions whose rows, or whose runs' rows, are among these."""
        rows = range(max(0, first), min(last, self.count))
        return list(dict.fromkeys(self.at(row).session_id for row in rows))

    def _arrange(self) -> None:
        self._starts, self._ends, self._shift = [], [], []
        shift = 0
        for place in sorted(self._place[one] for one, found in self.runs.items() if found and one in self._place):
            self._starts.append(place + shift)
            shift += len(self.runs[self.ids[place]])
            self._shift.append(shift)
            self._ends.append(place + shift + 1)
