"""Failures of all sessions are found with what became of them, the newest first, however they are asked for."""

from __future__ import annotations

from dataclasses import replace

from engine.model.changes import Add, EndAttempt
from engine.model.events import EventKind
from engine.model.ids import new_id
from engine.model.records import AttemptState
from tests.unit.storage.conftest import Research


def tries(research: Research, *outcomes: str, reason: str = "retry") -> list[object]:
    """Attempts of the one node, one after another: each a kind of failure, or "" for one that succeeded."""
    changes: list[object] = []
    for number, kind in enumerate(outcomes, 1):
        attempt = research.attempt if number == 1 else replace(
            research.attempt, id=new_id(), number=number, reason=reason, feedback=f"hint {number}"
        )  # fmt: skip
        state = AttemptState.FAILED if kind else AttemptState.COMPLETED
        end = EndAttempt(research.session.id, attempt.id, state, research.at(number), f"said {number}", kind or None)
        changes += [*([] if number == 1 else [Add(attempt)]), end]
        if kind:
            data = {"category": "x", "kind": kind, "message": f"{kind} {number}", "detail": f"line\n{kind}"}
            event = research.event(kind=EventKind.ERROR, attempt_id=attempt.id, data=data)
            beside = replace(event, id=new_id(), parent_event_id=new_id(), data={"category": "files", "message": "?"})
            changes += [Add(event), Add(beside)]
    return changes


async def test_failures_come_with_what_became_of_them(store, research):
    await store.commit(*research.opening())
    await store.commit(*tries(research, "syntax", "network", ""))
    network, syntax = await store.failures(limit=10)
    assert (network.kind, network.message, network.detail) == ("network", "network 2", "line\nnetwork")
    assert (network.then_state, network.then_reason, network.then_summary, network.said) == (
        AttemptState.COMPLETED,
        "retry",
        "said 3",
        "hint 3",
    )
    assert network.retried and network.resolved
    assert syntax.kind == "syntax" and syntax.then_id == network.attempt_id
    assert syntax.retried and not syntax.resolved
    assert [one.kind for one in await store.failures(limit=1)] == ["network"]


async def test_a_failure_that_nothing_followed_and_one_of_another_session(store, research):
    other = Research(replace(research.session, id=new_id()))
    for one in (research, other):
        await store.commit(*one.opening())
    await store.commit(*tries(other, "auth"))
    await store.commit(*tries(research, "check_failed", "", reason="redo"))
    found = {one.kind: one for one in await store.failures(limit=10)}
    assert found["auth"].then_state is None and not found["auth"].retried and not found["auth"].resolved
    assert found["auth"].session_id == other.session.id
    assert not found["check_failed"].retried and found["check_failed"].resolved
