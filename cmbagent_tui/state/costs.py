"""What is shown of costs: whose, summed by what, and in which words. The screen and the command line both say them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cmbagent_tui import words
from engine.model.budget import Ceiling
from engine.model.ids import short
from engine.model.records import CostTotal, Session
from engine.model.spending import EVERYTHING_SPENT, Budget, Grouping, Spending, SpendingFilter, SpendingLine, Spent
from engine.model.text import one_line

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose costs are looked at, and that in words."""

    matching: SpendingFilter
    words: str


OF_ALL = Scope(EVERYTHING_SPENT, "of all sessions")


def of_session(session_id: str, title: str) -> Scope:
    """A session's costs."""
    return Scope(SpendingFilter(session_id=session_id), f"of the session {one_line(title)}")


def scopes(session: Session | None, run_id: str | None) -> tuple[Scope, ...]:
    """From the narrowest to the widest: a run, its session (None where one is on none), all."""
    narrow = (Scope(SpendingFilter(run_id=run_id), f"of run {short(run_id)}"),) if run_id else ()
    return (*narrow, *((of_session(session.id, session.title),) if session else ()), OF_ALL)


def first_grouping(matching: SpendingFilter) -> Grouping:
    """What costs are summed by where nobody has said it."""
    if matching.run_id is not None:
        return Grouping.STEP
    return Grouping.SESSION if matching.session_id is None else Grouping.RUN


def label(line: SpendingLine, by: Grouping, *, with_run: bool) -> str:
    """What a line is of, in few words; `with_run`: steps of several runs are told apart."""
    match by:
        case Grouping.SESSION:
            return line.title or short(line.key)
        case Grouping.RUN:
            return f"{short(line.key)}  {line.title}".rstrip()
        case Grouping.STEP:
            if not line.key:
                return "of no step"
            of = f"{short(line.run_id)}  " if with_run and line.run_id else ""
            about = line.about if line.about != line.title else ""
            return f"{of}{line.title or short(line.key)}  {about}".rstrip()
        case Grouping.MODEL:
            return words.model(line.key) or "unnamed"
        case Grouping.AGENT | Grouping.DAY:
            return one_line(line.key) or "unnamed"


def measure(total: CostTotal) -> Callable[[CostTotal], int]:
    """What bars are as long as: money, or tokens where no money is known to have been spent."""
    return _money if total.usd_micro else _tokens


def _money(cost: CostTotal) -> int:
    return cost.usd_micro


def _tokens(cost: CostTotal) -> int:
    return cost.prompt_tokens + cost.completion_tokens


def heights(found: Spending) -> list[int | None]:
    """What a sparkline shows of each point of time; None where something was spent of which no price is known."""
    of = measure(found.total.cost)
    costs = [one.cost for one in found.points]
    return [of(one) or (None if one.unknown_calls else 0) for one in costs]


def span(found: Spending, newest: int) -> str:
    """Which time a sparkline of that many points shows."""
    shown = found.points[-newest:]
    first, last = shown[0].at, shown[-1].at
    what = "cost" if found.total.cost.usd_micro else "tokens"
    if found.every == _DAY:
        days = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}" if first != last else f"{first:%Y-%m-%d}"
        return f"{what} by day (UTC), {days}"
    if first == last:
        return f"{what} at {first:%Y-%m-%d %H:%M:%S} UTC"
    each = words.duration(found.every.total_seconds())
    return f"{what} in each {each} from {first:%Y-%m-%d %H:%M:%S} UTC on"


def amounts(spent: Spent) -> str:
    """A sum in words: money, tokens, calls."""
    cost = spent.cost
    cached = f" ({words.tokens(spent.cached_tokens)} cached)" if spent.cached_tokens else ""
    tokens = f"{words.tokens(cost.prompt_tokens)} tokens in{cached}, {words.tokens(cost.completion_tokens)} out"
    return f"{words.cost(cost)} for {words.plural(cost.calls, 'call')}, {tokens}{unknown(cost)}"


def unknown(cost: CostTotal) -> str:
    """How much of a sum is not known, to be said behind it."""
    if not cost.unknown_calls:
        return ""
    which = "the call" if cost.calls == 1 else "every call" if cost.unknown_calls == cost.calls else ""
    return f"; the price of {which or words.plural(cost.unknown_calls, 'call')} is not known"


def in_vain(spent: Spent) -> str:
    """What of a sum went into attempts that failed, and into trying again."""
    said: list[str] = []
    if spent.failed.calls:
        said.append(f"{words.cost(spent.failed)} went into attempts that failed")
    if spent.again.calls:
        said.append(f"{words.cost(spent.again)} into further attempts")
    return ", ".join(said)


def left(budget: Budget) -> str:
    """What is left of a budget."""
    said: list[str] = []
    for ceiling, (used, of) in budget.parts.items():
        rest = max(0, of - used)
        match ceiling:
            case Ceiling.USD:
                at_most = "at most " if budget.used.unknown_calls and rest else ""
                said.append(f"{at_most}{words.dollars(rest)} of {words.dollars(of)}")
            case Ceiling.TOKENS:
                said.append(f"{words.tokens(rest)} of {words.tokens(of)} tokens")
            case _:
                said.append(f"{rest} of {words.plural(of, 'call')}")
    return f"left of the budget: {', '.join(said)}"
