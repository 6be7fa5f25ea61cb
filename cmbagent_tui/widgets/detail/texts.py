"""Sections that are text: what the step was told to do, the code it wrote, what that printed, what was said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from textual.content import Content

from cmbagent_tui import look, words
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.slices import in_slices
from cmbagent_tui.widgets.detail.about import About
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, Raw, Words, blank, field_row, line, title
from cmbagent_tui.widgets.detail.highlighting import highlighted, language_of
from cmbagent_tui.widgets.detail.markdown import markdown
from cmbagent_tui.widgets.detail.planned import Planned
from cmbagent_tui.widgets.detail.source import WHOLE, blob_text, body, is_blob
from cmbagent_tui.widgets.timeline.wording import words_of
from engine.model.events import Event, EventKind, Phase
from engine.model.records import Artifact, Message

RUNS_SHOWN = 100  # code runs and stray outputs, the newest
MESSAGES_SHOWN = 300  # the newest
_ROLES = {"assistant": "$text-accent", "user": "$text-success", "tool": "$text-warning"}


async def plan(about: About) -> list[Block]:
    """What the step was told to do, by the run's plan or the newest one; for the program's own nodes, all of it."""
    given = await about.plan() or await _newest_plan(about)
    if not given:
        return [line(("There is no plan yet. The task:", MUTED)), blank(), Words(Content(about.board.run.task))]
    steps = [step for step in given.get("steps", ()) if isinstance(step, dict)]
    mine = next((step for step in steps if step.get("id") == about.card.node.step), None)
    if mine is not None:
        return [Planned(mine, about.ascii_only)]
    blocks: list[Block] = [line((str(given.get("title", "The plan")), "bold")), blank()]
    for number, step in enumerate(steps, 1):
        blocks.append(Planned(step, about.ascii_only, f"{number}. "))
    rest = {key: value for key, value in given.items() if key not in ("title", "steps")}
    return [*blocks, *(field_row(key, str(value)) for key, value in rest.items())]


async def code(about: About) -> list[Block]:
    """The code that the step wrote, newest version of each file, highlighted."""
    found = await about.engine.artifacts(about.board.run.id, node_id=about.card.node.id)
    newest = {one.path: one for one in found if one.kind == "code"}
    blocks: list[Block] = []
    for artifact in newest.values():
        aside = f"{words.size(artifact.size)}, by {artifact.agent}"
        blocks += [*_gap(blocks), title(artifact.path, aside), *await _code_of(about, artifact)]
    if not blocks:
        blocks = await _code_of_runs(about)
    return blocks or [line(("This step has written no code.", MUTED))]


async def _code_of(about: About, artifact: Artifact) -> Sequence[Block]:
    async def make() -> list[Block]:
        text = await blob_text(about.engine, artifact.sha256)
        return [await in_slices(highlighted(text, language_of(artifact.path)))]

    return await about.kept.get(f"code {artifact.sha256} {artifact.path}", make)


async def _code_of_runs(about: About) -> list[Block]:
    """Code that was run and left no file."""
    runs = await about.engine.events(
        about.board.run.id, node_id=about.card.node.id, kinds=[EventKind.CODE_EXEC], newest=True, limit=16
    )
    blocks: list[Block] = []
    for event in runs:
        if event.phase is Phase.START and event.data.get("code"):
            text = await body(about.engine, event.data["code"])
            name = event.title or "code"
            blocks += [*_gap(blocks), title(name), await in_slices(highlighted(text, "python"))]
    return blocks


async def output(about: About, newest: int = RUNS_SHOWN) -> list[Block]:
    """What the step's code printed, run by run."""
    run, node = about.board.run.id, about.card.node.id
    kinds = [EventKind.CODE_EXEC, EventKind.OUTPUT]
    events = await about.engine.events(run, node_id=node, kinds=kinds, newest=True, limit=2 * newest)
    blocks: list[Block] = []
    if len(events) == 2 * newest:
        blocks.append(line((f"Earlier runs are left out: these are the newest {newest}. Press o for all.", MUTED)))
    started: dict[str, Event] = {}
    for event in events:
        if event.kind is EventKind.OUTPUT:
            heading = title(f"printed by the worker ({event.data.get('stream', '')})")
            blocks += [*_gap(blocks), heading, Raw(await body(about.engine, event.data.get("text"), WHOLE))]
        elif event.phase is Phase.START:
            started[event.id] = event
        else:
            start = started.pop(event.span_id or "", None)
            blocks += [
                *_gap(blocks),
                *await about.kept.get(f"run {event.id}", lambda e=event, s=start: _ran(about, s, e)),
            ]
    for start in started.values():
        mark = look.of_step(about.card.node.state)
        running = "has not said how it ended" if about.card.node.state.terminal else "running"
        blocks += [*_gap(blocks), line((words_of(start), f"bold {STYLES[mark.tone]}"), (f"  {running}", MUTED))]
    return blocks or [line(("Nothing was printed yet.", MUTED))]


async def _ran(about: About, start: Event | None, end: Event) -> list[Block]:
    data = end.data
    good = data.get("exit") == 0 and not data.get("timed_out")
    sign = look.OK if good else look.BAD
    seconds = data.get("seconds")
    took = f"  {words.duration(seconds)}" if isinstance(seconds, int | float) else ""
    outcome = "out of time" if data.get("timed_out") else f"signal {data['signal']}" if data.get("signal") else ""
    outcome = outcome or f"exit {data.get('exit', '?')}"
    blocks: list[Block] = [
        line(
            (f"{sign.sign(about.ascii_only)} {words_of(start) if start else 'code'}", f"bold {STYLES[sign.tone]}"),
            (f"  {outcome}{took}", MUTED),
        )
    ]
    printed = await body(about.engine, data.get("stdout"), WHOLE)
    complained = await body(about.engine, data.get("stderr"), WHOLE)
    if printed:
        blocks.append(Raw(printed))
    if complained:
        blocks.append(Raw(complained, STYLES[Tone.FAILED if not good else Tone.MUTED]))
    if not printed and not complained:
        blocks.append(line(("(it printed nothing)", MUTED)))
    if data.get("truncated"):
        blocks.append(line(("… cut: more was printed than is kept", "$text-warning")))
    return blocks


async def messages(about: About, newest: int = MESSAGES_SHOWN) -> list[Block]:
    """The conversation of the step."""
    said = await about.engine.messages(about.board.run.id, node_id=about.card.node.id, limit=newest)
    blocks: list[Block] = []
    if len(said) == newest:
        blocks.append(line((f"Earlier messages are left out: these are the newest {newest}. Press o for all.", MUTED)))
    for message in said:
        blocks += [*_gap(blocks), *await about.kept.get(message.id, lambda m=message: _said(about, m))]
    return blocks or [line(("No messages yet.", MUTED))]


async def _said(about: About, message: Message) -> list[Block]:
    head = line(
        (message.sender, f"bold {_ROLES.get(message.role, '')}".rstrip()),
        (f"  {f'{message.role}  ' if message.role != message.sender else ''}{message.at:%H:%M:%S}", MUTED),
    )
    text = message.content.rstrip()
    if message.role == "tool":
        return [head, Raw(text)]
    return [head, *await in_slices(markdown(text, ascii_only=about.ascii_only))]


async def _newest_plan(about: About) -> dict[str, Any] | None:
    found = await about.engine.events(about.board.run.id, kinds=[EventKind.PLAN], newest=True, limit=1)
    value = found[-1].data.get("plan") if found else None
    if is_blob(value):
        text = await body(about.engine, value)
        try:
            value = json.loads(text)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _gap(blocks: Sequence[Block]) -> list[Block]:
    """A blank row, unless nothing stands before it."""
    return [blank()] if blocks else []
