"""What is looked for among sessions, in which order, and what is shown of their runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.model.records import CostTotal, Mode, Run
from engine.model.states import RunState


class Shelf(StrEnum):
    """Where a session lies. What is deleted is there until it is pruned."""

    CURRENT = "current"
    ARCHIVED = "archived"
    DELETED = "deleted"
    ALL = "all"


class SessionSort(StrEnum):
    """By what sessions are ordered."""

    UPDATED = "updated"
    CREATED = "created"
    TITLE = "title"
    COST = "cost"
    STATE = "state"

    @property
    def descends(self) -> bool:
        """Whether the largest (newest, dearest) is what one looks for first."""
        return self in (SessionSort.UPDATED, SessionSort.CREATED, SessionSort.COST)


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """What a session must be; what is empty does not matter.

    Every word must fit the title or a tag (see engine.model.fuzzy), occur in the task, branch name or hypothesis of a
    run, or be part of the id. `states` are those of the newest run; with `empty`, one without runs will do too. `since`
    and `before` bound when the session was last at work.
    """

    words: tuple[str, ...] = ()
    modes: frozenset[Mode] = frozenset()
    states: frozenset[RunState] = frozenset()
    empty: bool = False
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None
    shelf: Shelf = Shelf.CURRENT


EVERY_CURRENT = SessionFilter()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list: what it cost, how many of its steps are completed, and how many questions wait."""

    run: Run
    cost: CostTotal
    steps_done: int
    steps: int
    pending_approvals: int


class DrivenBy(StrEnum):
    """Who drives a run that is at work."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    NOBODY = "nobody"
