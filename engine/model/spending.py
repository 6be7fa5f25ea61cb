"""What was spent: sums of costs by session, run, step, agent, model or day, and how they lie in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from engine.model.budget import Ceiling, Ceilings
from engine.model.records import CostTotal

TOP = 200  # lines of a grouping; the rest is one sum
_NOTHING = CostTotal()


class Grouping(StrEnum):
    """By what costs are summed. A day is one of UTC."""

    SESSION = "session"
    RUN = "run"
    STEP = "step"
    AGENT = "agent"
    MODEL = "model"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class SpendingFilter:
    """Which costs are summed; what is None does not matter."""

    session_id: str | None = None
    run_id: str | None = None


EVERYTHING_SPENT = SpendingFilter()


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum of costs. `cost` is all of it; `failed` is what of it went into attempts that failed or were lost, and
    `again` what went into attempts after the first one of their step: a cost may be part of both."""

    cost: CostTotal = _NOTHING
    cached_tokens: int = 0
    failed: CostTotal = _NOTHING
    again: CostTotal = _NOTHING

    def without(self, parts: Iterable[Spent]) -> Spent:
        """What is left when these, which are parts of it, are taken away."""
        left = self
        for one in parts:
            left = Spent(
                _less(left.cost, one.cost),
                left.cached_tokens - one.cached_tokens,
                _less(left.failed, one.failed),
                _less(left.again, one.again),
            )
        return left


def _less(total: CostTotal, part: CostTotal) -> CostTotal:
    return CostTotal(
        total.usd_micro - part.usd_micro,
        total.prompt_tokens - part.prompt_tokens,
        total.completion_tokens - part.completion_tokens,
        total.calls - part.calls,
        total.unknown_calls - part.unknown_calls,
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """A run's ceilings, but for that on time, and all that the run has used up so far. A call of unknown price does not
    count as money, so that less of that may be left than it seems."""

    ceilings: Ceilings
    used: CostTotal

    @property
    def parts(self) -> dict[Ceiling, tuple[int, int]]:
        """How much of each ceiling is used (micro-USD, tokens, calls), and the ceiling."""
        cost, most = self.used, self.ceilings
        found = {
            Ceiling.USD: (cost.usd_micro, most.usd_micro),
            Ceiling.TOKENS: (cost.prompt_tokens + cost.completion_tokens, most.tokens),
            Ceiling.CALLS: (cost.calls, most.calls),
        }
        return {ceiling: (used, of) for ceiling, (used, of) in found.items() if of is not None}


@dataclass(frozen=True, slots=True)
class SpendingLine:
    """One line of a grouping. `key` is an id, an agent's or model's name, or a date (2031-05-06); it is empty for what
    belongs to no step. `title` is what a session, run or step is called, `about` what a step does."""

    key: str
    spent: Spent
    title: str = ""
    about: str = ""
    run_id: str | None = None  # of a run, or a step
    budget: Budget | None = None  # of a run that has one


@dataclass(frozen=True, slots=True)
class SpendingPoint:
    """What was spent from a time on until the next point."""

    at: datetime
    cost: CostTotal = _NOTHING


@dataclass(frozen=True, slots=True)
class Spending:
    """A grouping: the dearest lines first (of days, the newest), and the sum of those beyond the limit, which are
    `other_lines` many. `points` follow each other every `every`, without a gap; there are none of nothing. `budget` is
    that of the one run that is summed, if it has one."""

    by: Grouping
    total: Spent
    lines: tuple[SpendingLine, ...]
    others: Spent
    other_lines: int
    points: tuple[SpendingPoint, ...]
    every: timedelta
    budget: Budget | None = None
