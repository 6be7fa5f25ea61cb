"""Runs beside each other, as other programs read them: two of them, and all of a session."""

from __future__ import annotations

from collections.abc import Sequence

from engine.compare import TOLERANCE
from engine.compare.runs import RunComparison, StepSide
from engine.exports.present import cost_json, run_line
from engine.model.lineage import Descendant
from engine.model.records import Json


def comparison_json(found: RunComparison) -> Json:
    """Two runs: `steps` with each run's side (null: it has no such step), `files` with how alike they are."""
    return {
        "runs": [{**run_line(one.run), "cost": cost_json(one.cost)} for one in (found.first, found.second)],
        "steps": [
            {"step": one.step, "title": one.title, "sides": [_side(one.first), _side(one.second)]}
            for one in found.steps
        ],
        "files": {
            "summary": found.files.summary(),
            "counts": {likeness.value: count for likeness, count in found.files.counts.items()},
            "tolerance": TOLERANCE,
            "files": [one.to_json() for one in found.files.files],
        },
    }


def _side(side: StepSide | None) -> Json | None:
    if side is None:
        return None
    return {
        "state": side.state.value,
        "attempts": side.attempts,
        "seconds": side.seconds,
        "taken_over": side.taken_over,
        "cost": cost_json(side.cost),
        "checked": side.checked.to_json() if side.checked else None,
        "unchecked": side.checked is not None and not side.checked.total,
    }


def lineage_json(runs: Sequence[Descendant]) -> Json:
    """The runs of a session, each behind the one that it comes from; `depth` counts from 0."""
    return {
        "runs": [
            {
                **run_line(one.summary.run),
                "depth": one.depth,
                "parent_step": one.step,
                "steps_done": one.summary.steps_done,
                "steps": one.summary.steps,
                "cost": cost_json(one.summary.cost),
            }
            for one in runs
        ]
    }
