"""Commands that look at runs beside each other: two of them compared, and all of a session as a tree."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from cmbagent_tui.commands.common import out, out_json, with_engine
from cmbagent_tui.commands.report import file_lines
from cmbagent_tui.look import of_run
from cmbagent_tui.state.beside import heading, side
from cmbagent_tui.state.branches import guides, origin
from cmbagent_tui.words import age, cost
from engine import exports
from engine.compare.runs import RunComparison
from engine.engine import Engine
from engine.model.errors import UsageError
from engine.model.ids import short
from engine.model.lineage import Descendant
from engine.model.records import Run
from engine.model.text import one_line


def branch_tree(arguments: Namespace) -> int:
    """Show the runs of a session, each under the one that it branches off or replays."""

    async def use(engine: Engine) -> None:
        run_id, session_id = await engine.identify("runs", arguments.run)
        runs = await engine.lineage(session_id)
        if arguments.json:
            out_json(exports.lineage_json(runs))
        else:
            out("\n".join(_tree_lines(runs, run_id)))

    with_engine(use)
    return 0


def compare(arguments: Namespace) -> int:
    """Show two runs side by side; exit 0 when their files say the same, 1 when not."""

    async def use(engine: Engine) -> RunComparison:
        first, second = [(await engine.identify("runs", one))[0] for one in (arguments.run, arguments.other)]
        if first == second:
            raise UsageError("that is one and the same run", "Name two; `cmbagent-tui branch-tree RUN` lists them.")
        return await engine.compare(first, second)

    found = with_engine(use)
    if arguments.json:
        out_json(exports.comparison_json(found))
    else:
        out("\n".join(_comparison_lines(found)))
    return 0 if found.files.ok else 1


def _tree_lines(runs: Sequence[Descendant], shown: str) -> list[str]:
    now = datetime.now(UTC)
    lines: list[str] = []
    for one, guide in zip(runs, guides(runs), strict=True):
        run, look = one.summary.run, of_run(one.summary.run.state)
        mark = "  ← this run" if run.id == shown else ""
        facts = (
            f"{one.summary.steps_done}/{one.summary.steps} steps, {cost(one.summary.cost)}, {age(run.created_at, now)}"
        )
        lines.append(f"{guide.lead}{short(run.id)} {look.glyph} {look.word}  {origin(one)}  {facts}{mark}")
        if run.hypothesis:
            lines.append(f"{guide.under}   {one_line(run.hypothesis, 200)}")
    return lines


def _comparison_lines(found: RunComparison) -> list[str]:
    views = found.first, found.second
    lines = ["        " + " ".join(f"{short(view.run.id):<26}" for view in views).rstrip()]
    lines.append("        " + " ".join(f"{_state(view.run):<26}" for view in views).rstrip())
    lines.append("cost    " + " ".join(f"{cost(view.cost):<26}" for view in views).rstrip())
    lines.append("")
    width = min(24, max((len(one.step) for one in found.steps), default=4))
    for step in found.steps:
        sides = " ".join(f"{side(one):<34}" for one in (step.first, step.second)).rstrip()
        lines.append(f"{one_line(step.step, width):<{width}}  {sides}")
    return [*lines, "", *file_lines(heading(found), found.files)]


def _state(run: Run) -> str:
    look = of_run(run.state)
    name = f" {one_line(run.branch_name, 14)!r}" if run.branch_name else ""
    return f"{look.glyph} {look.word}{name}"
