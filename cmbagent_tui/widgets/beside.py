"""Two runs beside each other, as blocks of a text that scrolls: what they are, their steps, their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content

from cmbagent_tui import words
from cmbagent_tui.look import STYLES, Tone, of_run, of_step
from cmbagent_tui.state import beside
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, blank, line, title
from cmbagent_tui.widgets.detail.table import Table
from engine.compare.runs import RunComparison, StepComparison, StepSide
from engine.model.comparison import FileComparison
from engine.model.ids import short
from engine.model.records import NodeKind, RunView
from engine.model.states import StepState
from engine.model.text import one_line

_SAID = 2000  # characters of a name or a hypothesis


def compared(found: RunComparison, view: str, *, ascii_only: bool) -> list[Block]:
    """All of a comparison, or only its `differences`, its `steps` or its `files`."""
    only_differences = view == "differences"
    blocks: list[Block] = []
    if view in ("all", "differences"):
        blocks += _runs(found, ascii_only)
    if view != "files":
        steps = list(beside.differing_steps(found)) if only_differences else found.steps
        blocks += [blank(), *_steps(found, steps, ascii_only)]
    if view != "steps":
        files = list(beside.differing_files(found)) if only_differences else found.files.files
        blocks += [blank(), *_files(found, files, ascii_only)]
    return blocks if view in ("all", "differences") else blocks[1:]


def _runs(found: RunComparison, ascii_only: bool) -> Iterator[Block]:
    """What each of the runs is."""
    views = (found.first, found.second)
    rows = [
        ["", *_heads(found)],
        ["state", *(_state(one, ascii_only) for one in views)],
        ["from", *map(_origin, views)],
        ["steps", *map(_progress, views)],
        ["took", *map(_took, views)],
        ["cost", *(f"{words.cost(one.cost)} for {words.plural(one.cost.calls, 'call')}" for one in views)],
    ]
    if any(one.run.branch_name for one in views):
        rows.insert(1, ["name", *(one_line(one.run.branch_name or "-", _SAID) for one in views)])
    if any(one.run.hypothesis for one in views):
        rows.append(["says", *(one_line(one.run.hypothesis or "-", _SAID) for one in views)])
    yield _table(rows, ascii_only)


def _state(view: RunView, ascii_only: bool) -> Content:
    mark = of_run(view.run.state)
    return _toned(f"{mark.sign(ascii_only)} {mark.word}", mark.tone)


def _heads(found: RunComparison) -> list[str]:
    return [f"run {short(one.run.id)}" for one in (found.first, found.second)]


def _origin(view: RunView) -> str:
    run = view.run
    if run.replay_of:
        return f"a replay of {short(run.replay_of)}"
    if run.parent_run_id:
        return f"branches off {short(run.parent_run_id)}"
    return "the task itself"


def _progress(view: RunView) -> str:
    steps = [one.state for one in view.nodes if one.kind is NodeKind.STEP]
    failed = steps.count(StepState.FAILED)
    done = f"{steps.count(StepState.COMPLETED)}/{len(steps)}" if steps else "no plan"
    return f"{done}, {failed} failed" if failed else done


def _took(view: RunView) -> str:
    run = view.run
    if run.started_at and run.ended_at:
        return words.duration((run.ended_at - run.started_at).total_seconds())
    return "not over" if run.started_at else "not begun"


def _steps(found: RunComparison, steps: Sequence[StepComparison], ascii_only: bool) -> Iterator[Block]:
    shown = len(steps)
    yield title("Steps", f"{shown} of {len(found.steps)} differ" if shown < len(found.steps) else "")
    if not steps:
        yield line(("Every step came to the same end." if found.steps else "Neither has a plan.", MUTED))
        return
    rows: list[list[str | Content]] = [["step", *_heads(found)]]
    rows += [[one_line(one.step, 60), *(_side(it, ascii_only) for it in (one.first, one.second))] for one in steps]
    yield _table(rows, ascii_only)


def _side(one: StepSide | None, ascii_only: bool) -> Content:
    said = beside.side(one, ascii_only=ascii_only)
    if one is None:
        return Content.styled(said, MUTED)
    cost = f"  {words.cost(one.cost)}" if one.cost.calls else ""
    return Content.assemble((said, STYLES[of_step(one.state, one.checked).tone]), (cost, MUTED))


def _files(found: RunComparison, files: Sequence[FileComparison], ascii_only: bool) -> Iterator[Block]:
    yield title(beside.heading(found), found.files.summary())
    yield line((beside.ALIKE.replace("×", "x") if ascii_only else beside.ALIKE, MUTED))
    if not files:
        yield line(("No file differs." if found.files.counts else "Neither has a file.", MUTED))
        return
    yield blank()
    rows: list[list[str | Content]] = [["", "file", "step", "by how much"]]
    for one in files:
        word = _toned(beside.LIKENESS[one.likeness], beside.TONES[one.likeness])
        rows.append([word, one_line(one.path), one_line(one.step, 60), one_line(one.detail, 1000)])
    yield _table(rows, ascii_only)
    listed = len(found.files.files)
    if rest := sum(found.files.counts.values()) - listed:
        dots = "..." if ascii_only else "…"
        yield line((f"{dots} and {rest:,} more that are identical, or of the last kind", MUTED))


def _toned(text: str, tone: Tone) -> Content:
    return Content.styled(text, STYLES[tone])


def _table(rows: Sequence[Sequence[str | Content]], ascii_only: bool) -> Table:
    cells = [[one if isinstance(one, Content) else Content(one) for one in row] for row in rows]
    return Table(cells, ascii_only=ascii_only)
