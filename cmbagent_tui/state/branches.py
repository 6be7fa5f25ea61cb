"""The runs of a session as a tree: the lines that lead to each, and where each comes from, in words. The screen and the
command line both say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cmbagent_tui import words
from engine.model.ids import short
from engine.model.lineage import Descendant
from engine.model.records import Run
from engine.model.text import one_line

_NAME = 60  # characters


@dataclass(frozen=True, slots=True)
class Guide:
    """The lines of a tree: those that lead to a row, and those before what is said below it."""

    lead: str
    under: str


def guides(runs: Sequence[Descendant], *, ascii_only: bool = False) -> list[Guide]:
    """The lines in front of each run."""
    bar, fork, last = ("|  ", "|- ", "`- ") if ascii_only else ("│  ", "├─ ", "╰─ ")
    found: list[Guide] = []
    below: set[int] = set()  # depths at which another child follows
    for depth in (one.depth for one in reversed(runs)):
        bars = "".join(bar if level in below else "   " for level in range(1, depth))
        mine = depth in below
        lead = (fork if mine else last) if depth else ""
        under = (bar if mine else "   ") if depth else ""
        found.append(Guide(bars + lead, bars + under))
        below = {level for level in below if level < depth} | {depth}
    return found[::-1]


def origin(one: Descendant) -> str:
    """Where a run comes from: the step that it departs from, the run that it replays, or else what was asked."""
    run = one.summary.run
    if run.replay_of:
        return f"replay of {short(run.replay_of)}"
    if run.parent_run_id:
        return f"{one_line(run.branch_name or 'branch', _NAME)!r} at {one.step}"
    return one_line(run.task, _NAME)


def counted(runs: Sequence[Descendant]) -> str:
    """How many there are, and of which kind; where there is none to tell apart, how one is made."""
    if not runs:
        return "This session has no run yet."
    if len(runs) == 1:
        step = f"{short(runs[0].summary.run.id)} STEP --name NAME"
        return f"1 run. Another way on from one of its steps: `cmbagent-tui branch {step}`"
    replays = sum(one.summary.run.replay_of is not None for one in runs)
    branches = sum(_is_branch(one.summary.run) for one in runs)
    said = [words.plural(len(runs), "run")]
    said += [words.plural(branches, "branch", "branches")] if branches else []
    said += [words.plural(replays, "replay")] if replays else []
    return ", ".join(said)


def comes_from(run: Run) -> str | None:
    """The run that a run branches off or replays."""
    return run.parent_run_id or run.replay_of


def _is_branch(run: Run) -> bool:
    return run.parent_run_id is not None and run.replay_of is None
