"""Two attempts of a node side by side: how they ended, what their checks and summaries say, and which files differ."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual.content import Content

from cmbagent_tui import look, words
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.widgets.detail.about import About
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, blank, line, title
from cmbagent_tui.widgets.detail.diff import difference
from cmbagent_tui.widgets.detail.source import blob_text
from cmbagent_tui.widgets.detail.table import Table
from engine.model.records import Artifact, Attempt, AttemptState, CheckResult

_DIFF = 100_000  # characters of a file that are compared line by line
_PLUS, _MINUS = STYLES[Tone.OK], STYLES[Tone.FAILED]


async def compared(about: About, first: Attempt, second: Attempt) -> list[Block]:
    """What differs between two attempts."""
    wrote = await about.engine.artifacts(about.board.run.id, node_id=about.card.node.id)
    before, after = _files(wrote, first), _files(wrote, second)
    blocks: list[Block] = [
        Table([[Content(""), *_heads(first, second)], *_facts(about, first, second)], ascii_only=about.ascii_only)
    ]
    if first.checks or second.checks:
        blocks += [blank(), title("Checks"), _checks(about, first, second)]
    blocks += [blank(), title("Summary"), *await _difference(first.summary or "", second.summary or "")]
    if first.error or second.error:
        blocks += [blank(), title("Error"), *await _difference(first.error or "", second.error or "")]
    blocks += [blank(), title("Files"), *_listed(about, before, after)]
    for path in sorted(before.keys() & after.keys()):
        one, other = before[path], after[path]
        if one.kind == "code" and one.sha256 != other.sha256:
            texts = [await blob_text(about.engine, each.sha256, _DIFF) for each in (one, other)]
            blocks += [blank(), title(path), *await _difference(*texts)]
    return blocks


def _heads(first: Attempt, second: Attempt) -> list[Content]:
    return [Content(f"Attempt {one.number}") for one in (first, second)]


def _facts(about: About, first: Attempt, second: Attempt) -> list[list[Content]]:
    """Rows of what each was."""
    pair = (first, second)
    rows = [
        ["why", *(one.reason for one in pair)],
        ["ended", *(one.state.value for one in pair)],
        ["begun", *(f"{one.started_at:%Y-%m-%d %H:%M:%S}" for one in pair)],
        ["took", *(_took(one) for one in pair)],
    ]
    if first.feedback or second.feedback:
        rows.append(["told", *(one.feedback or "nothing" for one in pair)])
    styles = {AttemptState.COMPLETED: _PLUS, AttemptState.FAILED: _MINUS, AttemptState.LOST: _MINUS}
    found = [[Content.assemble((name, MUTED)), Content(left), Content(right)] for name, left, right in rows]
    found[1][1:] = [Content.assemble((one.state.value, styles.get(one.state, ""))) for one in pair]
    return found


def _took(one: Attempt) -> str:
    return words.duration((one.ended_at - one.started_at).total_seconds()) if one.ended_at else "not over"


def _checks(about: About, first: Attempt, second: Attempt) -> Table:
    """Every check by name, and what each attempt made of it."""
    found = [{check.name: check for check in one.checks} for one in (first, second)]
    rows = [[Content("check"), *_heads(first, second)]]
    for name in dict.fromkeys([*found[0], *found[1]]):
        rows.append([Content(name), *(_outcome(one.get(name), about.ascii_only) for one in found)])
    return Table(rows, ascii_only=about.ascii_only)


def _outcome(check: CheckResult | None, ascii_only: bool) -> Content:
    if check is None:
        return Content.assemble(("not run", MUTED))
    mark = look.of_check(check.ok, check.waived)
    return Content.assemble((f"{mark.sign(ascii_only)} ", STYLES[mark.tone]), check.detail or mark.word)


def _files(wrote: Sequence[Artifact], attempt: Attempt) -> dict[str, Artifact]:
    """The newest version of every file that an attempt wrote."""
    return {one.path: one for one in wrote if one.attempt_id == attempt.id}


def _listed(about: About, before: dict[str, Artifact], after: dict[str, Artifact]) -> list[Block]:
    """Every file that either wrote: whether its content is the same, by hash."""
    rows = [[Content("file"), Content("before"), Content("after"), Content("")]]
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        if one and other:
            same = one.sha256 == other.sha256
            verdict = ("the same", MUTED) if same else ("changed", STYLES[Tone.WAITING])
        else:
            verdict = ("gone", _MINUS) if one else ("new", _PLUS)
        cells = [
            Content(f"{each.sha256[:8]} {words.size(each.size)}") if each else Content("") for each in (one, other)
        ]
        rows.append([Content(path), *cells, Content.assemble(verdict)])
    if len(rows) == 1:
        return [line(("Neither wrote a file.", MUTED))]
    return [Table(rows, ascii_only=about.ascii_only)]


async def _difference(before: str, after: str) -> list[Block]:
    """Two texts line by line; only their differences, with three lines around."""
    if before == after:
        return [line(("the same" if before else "none", MUTED))]
    return [await asyncio.to_thread(difference, before, after)]
