"""What was spent, as JSON."""

from __future__ import annotations

from engine.exports.present import cost_json, time_json, used_json
from engine.model.records import CostTotal, Json
from engine.model.spending import Budget, Spending, Spent


def spending_json(found: Spending) -> Json:
    """A grouping. `usd` is null where no price is known at all; else it leaves out the calls of unknown price.
    `budget` is what a run may use up, has used, and has left, of all but time that has a ceiling."""
    others = {"lines": found.other_lines, **_spent(found.others)} if found.other_lines else None
    return {
        "by": found.by.value,
        "total": _spent(found.total),
        "budget": _budget(found.budget),
        "lines": [
            {
                "key": line.key,
                "title": line.title,
                "about": line.about,
                "run_id": line.run_id,
                **_spent(line.spent),
                "budget": _budget(line.budget),
            }
            for line in found.lines
        ],
        "others": others,
        "points": [{"at": time_json(one.at), **_cost(one.cost)} for one in found.points],
        "point_seconds": found.every.total_seconds(),
    }


def _spent(spent: Spent) -> Json:
    return {
        **_cost(spent.cost),
        "cached_tokens": spent.cached_tokens,
        "failed": _cost(spent.failed),
        "again": _cost(spent.again),
    }


def _cost(cost: CostTotal) -> Json:
    known = cost_json(cost)
    return {**known, "usd": None} if cost.calls and cost.unknown_calls == cost.calls else known


def _budget(budget: Budget | None) -> Json:
    return used_json(budget) if budget else {}
