"""The summary of a node: its state, what stands around it, and its attempts with their checks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from textual.content import Content

from cmbagent_tui import look, words
from cmbagent_tui.look import STYLES, Tone
from cmbagent_tui.slices import in_slices
from cmbagent_tui.state.board import Card
from cmbagent_tui.widgets.detail.about import About
from cmbagent_tui.widgets.detail.blocks import MUTED, Block, Words, blank, field_row, line
from cmbagent_tui.widgets.detail.markdown import markdown
from engine.model.events import EventKind
from engine.model.failures import kind_of
from engine.model.records import Attempt, AttemptState, CheckResult, Node, NodeKind
from engine.model.states import StepState

_GOOD = {AttemptState.COMPLETED: look.OK, AttemptState.FAILED: look.BAD, AttemptState.LOST: look.BAD}
_LISTED = 12  # neighbours that are named
_DECIDED = 50  # decisions to try again that are read
_NAMED = 3  # failed checks that are named before the attempts
Part = tuple[str, str]


async def summary(about: About) -> list[Block]:
    """State, times, cost, checks, error, neighbours, and the attempts, the newest first."""
    card, node = about.card, about.card.node
    attempts = await about.attempts()
    mark = look.of_node(node, card.checked)
    blocks: list[Block] = [
        line((node.title, "bold"), (f"  {node.step}", MUTED)),
        line(
            (f"{mark.sign(about.ascii_only)} {look.word_of(mark)}", f"bold {STYLES[mark.tone]}"),
            *_waits(node, about.now),
        ),
    ]
    if node.error:
        blocks += [blank(), line((node.error.rstrip(), "$text-error"))]
        if hint := await _way_out(about):
            blocks.append(line((hint, "$text-warning")))
    inside = [other for other in about.board.cards.values() if other.node.parent_node_id == node.id]
    rows: list[tuple[str, Sequence[str | Part]]] = [
        ("checks", _verdict(about, attempts, await _declared(about))),
        ("agent", [node.agent or "none"]),
        *_times(card, about.now),
        ("cost", [_cost_words(card)]),
        ("files", [str(len(card.files))]),
        ("after", _names(about, about.board.upstream(node.id)) or ["nothing"]),
        ("before", _names(about, about.board.downstream(node.id)) or ["nothing"]),
    ]
    if inside:
        rows.append(("inside", _names(about, [other.node for other in inside])))
    if node.feedback:
        rows.append(("told", [node.feedback]))
    if node.kind is NodeKind.BRANCH_POINT:
        rows = [row for row in rows if row[0] in ("after", "before")]
    blocks += [blank(), *(field_row(name, *parts) for name, parts in rows)]
    decided = await _decided(about) if len(attempts) > 1 or node.retry_at else {}
    for attempt in reversed(attempts):
        blocks += await _attempt(about, attempt, decided.get(attempt.number))
    return blocks


def _waits(node: Node, now: datetime) -> Sequence[Part]:
    if node.retry_at is None or node.state is not StepState.PENDING:
        return ()
    return ((f"  tried again in {words.duration((node.retry_at - now).total_seconds())}", MUTED),)


async def _way_out(about: About) -> str:
    """What to do about a node's error, as its newest error event says."""
    run, node = about.board.run.id, about.card.node.id
    errors = await about.engine.events(run, node_id=node, kinds=[EventKind.ERROR], newest=True, limit=1)
    return str(errors[0].data.get("hint") or "") if errors else ""


async def _declared(about: About) -> int | None:
    """How many checks the plan has for this step; None where that is not known."""
    plan: dict[str, Any] = await about.plan() or {}
    steps = [
        step for step in plan.get("steps", ()) if isinstance(step, dict) and step.get("id") == about.card.node.step
    ]
    return len(steps[0].get("checks") or ()) if steps else None


def _verdict(about: About, attempts: Sequence[Attempt], declared: int | None) -> list[str | Part]:
    """What the checks of the newest attempt say: never silence where nothing was checked."""
    done = attempts[-1].checks if attempts else ()
    bad = [check for check in done if not check.ok and not check.waived]
    waived = [check for check in done if not check.ok and check.waived]
    if waived and not bad:
        sign, names = look.WAIVED.sign(about.ascii_only), ", ".join(check.name for check in waived[:_NAMED])
        told = f"{sign} {len(waived)} of {len(done)} failed and waived: {names}"
        return [(told, STYLES[look.WAIVED.tone])]
    if bad:
        sign = look.BAD.sign(about.ascii_only)
        names = ", ".join(f"{sign} {check.name}" for check in bad[:_NAMED])
        return [(f"{len(bad)} of {len(done)} failed: {names}", STYLES[Tone.FAILED])]
    if done:
        return [(f"{look.OK.sign(about.ascii_only)} {len(done)} of {len(done)} passed", STYLES[Tone.OK])]
    if declared:
        return [f"{declared} declared, none run yet"]
    if about.card.node.kind is not NodeKind.STEP:
        return ["none: nothing to check"]
    return [("unchecked", STYLES[Tone.WAITING]), ("  its own word is all there is", MUTED)]


def _times(card: Card, now: datetime) -> list[tuple[str, Sequence[str | Part]]]:
    node, elapsed = card.node, card.elapsed(now)
    if node.started_at is None or elapsed is None:
        return [("began", ["not yet"])]
    began = f"{node.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if node.ended_at is None:
        return [("began", [began]), ("for", [words.duration(elapsed)])]
    return [("began", [began]), ("took", [words.duration(elapsed), (f", until {node.ended_at:%H:%M:%S}", MUTED)])]


async def _decided(about: About) -> dict[int, dict[str, Any]]:
    """What was decided when the node was to be tried again, by the number of the attempt that each led to."""
    run, node = about.board.run.id, about.card.node.id
    found = await about.engine.events(run, node_id=node, kinds=[EventKind.RETRY], newest=True, limit=_DECIDED)
    return {int(event.data["attempt"]): event.data for event in found if "at" in event.data}


def _learnt(decision: dict[str, Any]) -> str:
    """Why an attempt was made, what history said of it, and what its agent was told."""
    parts = [kind_of(str(decision.get("kind"))).meaning]
    if said := words.likely(decision):
        parts.append(said)
    told = decision.get("told")
    if decision.get("continues"):
        parts.append("it went on from where the last one stood")
    elif isinstance(told, dict):
        alike = len(told.get("resolved") or ())
        parts.append(
            f"it was told of {words.plural(len(told.get('tried') or ()), 'attempt')}"
            + (f" and of {words.plural(alike, 'like error')} resolved before" if alike else "")
        )
    return "; ".join(parts)


async def _attempt(about: About, attempt: Attempt, decision: dict[str, Any] | None) -> list[Block]:
    mark = _GOOD.get(attempt.state)
    sign = f"{mark.sign(about.ascii_only)} " if mark else ""
    took = ""
    if attempt.ended_at:
        took = f", {words.duration((attempt.ended_at - attempt.started_at).total_seconds())}"
    why = "" if attempt.reason == "first" else f", {attempt.reason}"
    blocks: list[Block] = [
        blank(),
        line(
            (f"Attempt {attempt.number}{why}: ", "bold"),
            (f"{sign}{attempt.state.value}", STYLES[mark.tone] if mark else ""),
            (f"{took}, begun {attempt.started_at:%H:%M:%S}", MUTED),
        ),
    ]
    if decision and not decision.get("waived"):
        blocks.append(field_row("because", _learnt(decision)))
    if attempt.feedback:
        blocks.append(field_row("told", attempt.feedback))
    if attempt.error:
        blocks.append(line((attempt.error.rstrip(), "$text-error")))
    blocks += [_check(check, about.ascii_only) for check in attempt.checks]
    if attempt.summary:
        text = attempt.summary.rstrip()
        blocks += await about.kept.get(
            f"summary {attempt.id}", lambda: in_slices(markdown(text, ascii_only=about.ascii_only))
        )
    return blocks


def _check(check: CheckResult, ascii_only: bool) -> Words:
    outcome = look.of_check(check.ok, check.waived)
    return line(
        (f"{outcome.sign(ascii_only)} {check.name}", STYLES[outcome.tone]),
        (f"  {check.detail}" if check.detail else "", MUTED),
        (f"  waived by {check.waived}" if check.waived else "", STYLES[look.WAIVED.tone]),
    )


def _names(about: About, nodes: Sequence[Node]) -> list[str | Part]:
    """Nodes by their ids, each with the glyph of its state."""
    parts: list[str | Part] = []
    for node in nodes[:_LISTED]:
        mark = look.of_node(node, about.board.cards[node.id].checked)
        parts += [", "] if parts else []
        parts += [(f"{mark.sign(about.ascii_only)} ", STYLES[mark.tone]), Content(node.step).plain]
    if len(nodes) > _LISTED:
        parts.append((f" and {len(nodes) - _LISTED} more", MUTED))
    return parts


def _cost_words(card: Card) -> str:
    total = card.cost
    if not total.calls:
        return "none" if card.node.state.terminal else "nothing yet"
    used = f"{words.tokens(total.prompt_tokens)} in, {words.tokens(total.completion_tokens)} out"
    return f"{words.cost(total)}  {words.plural(total.calls, 'call')}, {used}"
