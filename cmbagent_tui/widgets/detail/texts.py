"""The sections of the detail pane that are text: each a function that reads and returns content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.content import Content

from cmbagent_tui import look, words
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.state.board import Board, Card
from cmbagent_tui.widgets.detail.source import blob_text, body, heading, is_blob
from cmbagent_tui.widgets.plan_text import plan_content, step_content
from cmbagent_tui.widgets.timeline.wording import words_of
from engine.model.events import Event, EventKind, Phase
from engine.model.records import Attempt, AttemptState, Node

if TYPE_CHECKING:
    from engine import Engine

RUNS_SHOWN = 64  # code runs and stray outputs, the newest


async def summary(
    engine: Engine, board: Board, card: Card, attempts: Sequence[Attempt], now: datetime, ascii_only: bool
) -> Content:
    """State, times, cost, error, what stands around the node, and its attempts with their checks."""
    node = card.node
    mark = look.of_step(node.state)
    parts = [
        Content.assemble((node.title, "bold"), (f"  {node.step}\n", "$foreground 58%")),
        Content.assemble((f"{mark.sign(ascii_only)} {mark.word}", f"bold {STYLES[mark.tone]}"), "\n"),
    ]
    if node.error:
        parts.append(Content.assemble("\n", (node.error.rstrip() + "\n", "$text-error")))
        if hint := await _way_out(engine, board, node):
            parts.append(Content.assemble((f"{hint}\n", "$text-warning")))
    elapsed = card.elapsed(now)
    rows = [
        ("agent", node.agent or "none"),
        ("took" if node.ended_at else "for", words.duration(elapsed) if elapsed is not None else "not started"),
        ("cost", _cost_words(card)),
        ("files", str(len(card.files))),
        ("after", _names(board.upstream(node.id)) or "nothing"),
        ("before", _names(board.downstream(node.id)) or "nothing"),
    ]
    parts.append(Content("\n"))
    parts += [Content.assemble((f"{name:<9}", "$foreground 58%"), value, "\n") for name, value in rows]
    own = (attempt for attempt in attempts if attempt.node_id == node.id)
    for attempt in sorted(own, key=lambda one: -one.number):
        parts.append(_attempt(attempt, ascii_only))
    return Content("").join(parts)


async def _way_out(engine: Engine, board: Board, node: Node) -> str:
    """What to do about a node's error, as its newest error event says."""
    errors = await engine.events(board.run.id, node_id=node.id, kinds=[EventKind.ERROR], newest=True, limit=1)
    return str(errors[0].data.get("hint") or "") if errors else ""


async def plan(
    engine: Engine, board: Board, card: Card, given: dict[str, Any] | None, ascii_only: bool, width: int
) -> Content:
    """What the step was told to do, by the run's plan or the newest there is; for the program's own nodes, the whole
    plan. In lines of `width` cells."""
    node = card.node
    given = given or await _newest_plan(engine, board)
    if not given:
        return Content(f"There is no plan yet. The task:\n\n{board.run.task}")
    steps = [step for step in given.get("steps", ()) if isinstance(step, dict) and step.get("id") == node.step]
    if steps:
        return step_content(steps[0], width, ascii_only=ascii_only)
    heading = Content.assemble((str(given.get("title", "The plan")), "bold"), "\n\n")
    return heading + plan_content(given, width, ascii_only=ascii_only)


async def code(engine: Engine, board: Board, card: Card, ascii_only: bool) -> Content:
    """The code that the step wrote, newest version of each file, highlighted."""
    from textual.highlight import highlight

    newest = {one.path: one for one in await engine.artifacts(board.run.id, node_id=card.node.id) if one.kind == "code"}
    parts: list[Content] = []
    for path, artifact in newest.items():
        text = await blob_text(engine, artifact.sha256)
        title = f"{path}  {words.size(artifact.size)}  by {artifact.agent}"
        parts += [heading(title, first=not parts), highlight(text, path=path), Content("\n")]
    if not parts:
        runs = await engine.events(
            board.run.id, node_id=card.node.id, kinds=[EventKind.CODE_EXEC], newest=True, limit=8
        )
        for event in runs:
            if event.phase is Phase.START and event.data.get("code"):
                text = await body(engine, event.data["code"])
                parts += [heading(event.title or "code", first=not parts), highlight(text, language="python")]
    return Content("").join(parts) if parts else Content("This step has written no code.")


async def output(engine: Engine, board: Board, card: Card, ascii_only: bool) -> Content:
    """What the step's code printed, run by run."""
    events = await engine.events(
        board.run.id,
        node_id=card.node.id,
        kinds=[EventKind.CODE_EXEC, EventKind.OUTPUT],
        newest=True,
        limit=2 * RUNS_SHOWN,
    )
    parts: list[Content] = []
    started: dict[str, Event] = {}
    for event in events:
        if event.kind is EventKind.OUTPUT:
            parts.append(heading(f"printed by the worker ({event.data.get('stream', '')})", first=not parts))
            parts.append(Content(await body(engine, event.data.get("text"))))
        elif event.phase is Phase.START:
            started[event.id] = event
        else:
            start = started.pop(event.span_id or "", None)
            parts += await _code_run(engine, start, event, ascii_only, first=not parts)
    for start in started.values():
        parts.append(heading(f"{words_of(start)}  running", first=not parts))
    return Content("").join(parts) if parts else Content("Nothing was printed yet.")


async def messages(engine: Engine, board: Board, card: Card, ascii_only: bool) -> Content:
    """The conversation of the step."""
    parts: list[Content] = []
    for message in await engine.messages(board.run.id, node_id=card.node.id):
        tone = {"assistant": "$text-accent", "user": "$text-success", "tool": "$text-warning"}.get(message.role, "")
        parts.append(
            Content.assemble(
                "\n" if parts else "",
                (message.sender, f"bold {tone}"),
                (f"  {message.role}\n", "$foreground 58%"),
                message.content.rstrip() + "\n",
            )
        )
    return Content("").join(parts) if parts else Content("No messages yet.")


async def _code_run(engine: Engine, start: Event | None, end: Event, ascii_only: bool, *, first: bool) -> list[Content]:
    data = end.data
    good = data.get("exit") == 0 and not data.get("timed_out")
    sign = look.OK if good else look.BAD
    seconds = data.get("seconds")
    took = f"  {words.duration(seconds)}" if isinstance(seconds, int | float) else ""
    outcome = "out of time" if data.get("timed_out") else f"signal {data['signal']}" if data.get("signal") else ""
    outcome = outcome or f"exit {data.get('exit', '?')}"
    parts = [
        Content("" if first else "\n"),
        Content.assemble(
            (f"{sign.sign(ascii_only)} {words_of(start) if start else 'code'}", f"bold {STYLES[sign.tone]}"),
            (f"  {outcome}{took}\n", "$foreground 58%"),
        ),
    ]
    printed = await body(engine, data.get("stdout"))
    complained = await body(engine, data.get("stderr"))
    if printed:
        parts.append(Content(printed.rstrip("\n") + "\n"))
    if complained:
        parts.append(
            Content.assemble((complained.rstrip("\n") + "\n", STYLES[Tone.FAILED if not good else Tone.MUTED]))
        )
    if not printed and not complained:
        parts.append(Content.assemble(("(it printed nothing)\n", "$foreground 58%")))
    if data.get("truncated"):
        parts.append(Content.assemble(("… cut: more was printed than is kept\n", "$text-warning")))
    return parts


async def _newest_plan(engine: Engine, board: Board) -> dict[str, Any] | None:
    found = await engine.events(board.run.id, kinds=[EventKind.PLAN], newest=True, limit=1)
    value = found[-1].data.get("plan") if found else None
    if is_blob(value):
        text = await body(engine, value)
        try:
            value = json.loads(text)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _attempt(attempt: Attempt, ascii_only: bool) -> Content:
    good = {AttemptState.COMPLETED: look.OK, AttemptState.FAILED: look.BAD, AttemptState.LOST: look.BAD}
    sign = good.get(attempt.state)
    glyph = f"{sign.sign(ascii_only)} " if sign else ""
    took = ""
    if attempt.ended_at:
        took = f", {words.duration((attempt.ended_at - attempt.started_at).total_seconds())}"
    why = "" if attempt.reason == "first" else f", {attempt.reason}"
    head = f"Attempt {attempt.number}{why}: "
    parts = [
        heading(""),
        Content.assemble(
            (head, "bold"), (f"{glyph}{attempt.state.value}", STYLES[sign.tone] if sign else ""), took, "\n"
        ),
    ]
    if attempt.error:
        parts.append(Content.assemble((attempt.error.rstrip() + "\n", "$text-error")))
    for check in attempt.checks:
        outcome = look.OK if check.ok else look.BAD
        parts.append(
            Content.assemble(
                (f"{outcome.sign(ascii_only)} {check.name}", STYLES[outcome.tone]),
                (f"  {check.detail}\n" if check.detail else "\n", "$foreground 58%"),
            )
        )
    if attempt.summary:
        parts.append(Content(attempt.summary.rstrip() + "\n"))
    return Content("").join(parts)


def _names(nodes: list[Node]) -> str:
    return ", ".join(node.step for node in nodes)


def _cost_words(card: Card) -> str:
    total = card.cost
    if not total.calls:
        return "none" if card.node.state.terminal else "nothing yet"
    used = f"{words.tokens(total.prompt_tokens)} in, {words.tokens(total.completion_tokens)} out"
    return f"{words.cost(total)}  {words.plural(total.calls, 'call')}, {used}"
