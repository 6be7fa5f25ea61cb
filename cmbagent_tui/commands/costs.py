"""What was spent, summed."""

from __future__ import annotations

from argparse import Namespace

from cmbagent_tui import words
from cmbagent_tui.commands.common import out, out_json, with_engine
from cmbagent_tui.state.costs import amounts, first_grouping, in_vain, label, left
from engine import exports
from engine.engine import Engine
from engine.model.errors import UsageError
from engine.model.spending import Grouping, SpendingFilter, Spent


def costs(arguments: Namespace) -> int:
    """Say what was spent: in a run, in a session, or in all."""
    by = _grouping(arguments.by)

    async def use(engine: Engine) -> None:
        run_id = (await engine.identify("runs", arguments.run))[0] if arguments.run else None
        session_id = (await engine.identify("sessions", arguments.session))[0] if arguments.session else None
        matching = SpendingFilter(session_id, run_id)
        found = await engine.spending(by or first_grouping(matching), matching, limit=max(0, arguments.limit))
        if arguments.json:
            out_json({"costs": {"session_id": session_id, "run_id": run_id, **exports.spending_json(found)}})
            return
        for line in found.lines:
            budget = f"  {left(line.budget)}" if line.budget else ""
            out(f"{_columns(line.spent)}  {label(line, found.by, with_run=run_id is None)}{budget}")
        if found.other_lines:
            out(f"{_columns(found.others)}  {words.plural(found.other_lines, 'other')}")
        out(f"in all: {amounts(found.total)}" if found.total.cost.calls else "Nothing was spent.")
        if vain := in_vain(found.total):
            out(vain)
        if found.budget:
            out(left(found.budget))

    with_engine(use)
    return 0


def _grouping(name: str | None) -> Grouping | None:
    try:
        return Grouping(name) if name else None
    except ValueError:
        raise UsageError(f"costs cannot be summed by {name!r}", f"There are {', '.join(Grouping)}.") from None


def _columns(spent: Spent) -> str:
    cost = spent.cost
    used = f"{words.tokens(cost.prompt_tokens):>7} in  {words.tokens(cost.completion_tokens):>7} out"
    return f"{words.cost(cost):>12}  {used}  {words.plural(cost.calls, 'call'):>10}"
