"""Rows 8 and 9: an engine is killed while a plan waits for a person, and a person answers as the deadline passes."""

from __future__ import annotations

import time
from typing import Any

from engine.model.records import Approval, ApprovalState
from engine.model.states import RunState
from engine.runs.deadlines import NOBODY
from tests.support.faults import PLANNED, Disturbed, Place, Undisturbed, any_shape, at, killed, seeded, workers_go
from tests.support.faults_story import Storyteller
from tests.support.faults_victim import Point

DAY = 86_400.0
LATER = ["before settled", "after settled", "before intent", "after intent", "before tool answer", "before end"]


@seeded
def test_row8_killed_while_a_plan_waits(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model, planned=True)
        asked = _asked(place, run)
        workers_go(run.told[-1])
        told = run.live("settle", at=at(place, run.passed, place.random.choice(LATER)))
        killed(told)
        assert told.one("approval") == (asked,), "it is the same question, with the same deadline"
        workers_go(told)
        (approval,) = run.record.view.approvals
        if approval.state is ApprovalState.PENDING:
            assert run.live("settle").one("over")[0] == "completed"
        run.goes_on()
        (approval,) = run.record.view.approvals
        assert (approval.id, approval.state) == (asked.id, ApprovalState.APPROVED)


@seeded
def test_row9_a_person_answers_as_the_deadline_passes(place: Place, undisturbed: Undisturbed) -> None:
    with Storyteller(any_shape(place)) as model:
        run = Disturbed(place, undisturbed, model, planned=True)
        rule = place.random.choice([None, ApprovalState.APPROVED, ApprovalState.ABORT])
        options = {**PLANNED["options"], "approval_deadline": 1800.0, "on_expiry": rule}
        where = place.random.choice([None, None, Point("before settled"), Point("after settled")])
        delay = {"seconds": place.random.uniform(0.0, 0.15)}
        waiting = run.start("outwait", options=options, more=delay, at=where)
        waiting.until(lambda told: bool(told.all("over")))
        person = run.start("settle", run_id=waiting.told.run_id)
        waiting.end()
        run.told.append(person.end())
        told = run.over(waiting)
        (approval,) = run.record.view.approvals
        if approval.state is ApprovalState.PENDING:  # the engine was killed before it could say that time was up
            killed(told)
            run.live("settle")  # and there is nobody whom it could come too late for
        (approval,) = run.record.view.approvals
        late = [words for one in run.told for words in one.all("late")]
        if approval.resolved_by == NOBODY:
            assert approval.state is (rule or ApprovalState.EXPIRED)
            assert all(NOBODY in words for (words,) in late)
        else:
            assert approval.state is ApprovalState.APPROVED and late == []
        if not run.record.view.run.state.terminal:
            killed(told)
            run.live("take over")
        if approval.state is ApprovalState.APPROVED:
            run.ended()
        else:
            assert run.record.view.run.state is RunState.CANCELLED


def _asked(place: Place, run: Disturbed) -> Approval:
    """What a person is asked, once an engine that was killed at about that place, or while it waited, has asked it."""
    order: dict[str, Any] = {**PLANNED, "options": {**PLANNED["options"], "approval_deadline": DAY}}
    where = place.random.choice(["before asked", "after asked", "waiting"])
    if where == "waiting":
        life = run.start("begin", **{**order, "more": {"planned": True, "stays": True}})
        life.until(lambda told: bool(told.all("over")))
        time.sleep(place.random.uniform(0.0, 0.05))
        life.signal(9)
        killed(run.over(life))
    else:
        killed(run.live("begin", **order, at=Point(where)))
    if not run.record.view.approvals:
        assert run.live("resume").one("over")[0] == "waiting_approval"
    (approval,) = run.record.view.approvals
    assert approval.state is ApprovalState.PENDING and approval.deadline_at is not None
    return approval
