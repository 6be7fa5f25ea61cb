"""Approval modes: when a run stops and asks, what it shows, and what each answer leads to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from engine.engine import Engine
from engine.model.errors import PlanInvalid, StaleState, UsageError
from engine.model.events import EventKind
from engine.model.options import ApprovalMode
from engine.model.plan import Plan
from engine.model.records import Approval, ApprovalState, RunView
from engine.model.resolutions import ways
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import plan, says, step, writes

A, M = ApprovalState, ApprovalMode
SETTLED = [state for state in A if state not in (A.PENDING, A.EXPIRED, A.WITHDRAWN)]
SORRY = says("I could not.")  # a step with an output then fails, since it left none


async def begin(lab: Lab, engine: Engine, *steps: Any, **options: Any) -> str:
    """Submit a plan and wait until the run rests; its id."""
    given = Plan.parse(plan(*steps)) if steps else None
    run = await engine.submit("Test the modes.", options=lab.options(**options), plan=given)
    await engine.wait(run.id)
    return run.id


async def asked(engine: Engine, run_id: str, kind: str) -> Approval:
    """What the run waits for: one question of this kind."""
    (one,) = await engine.approvals()
    assert (one.run_id, one.kind) == (run_id, kind)
    assert (await engine.view(run_id)).run.state is RunState.WAITING_APPROVAL
    return one


async def answer(engine: Engine, approval: Approval, state: ApprovalState, **more: Any) -> RunView:
    """Settle a question, and wait until the run rests again."""
    await engine.resolve(approval.id, state, **more)
    await engine.wait(approval.run_id)
    return await engine.view(approval.run_id)


def one_txt(**more: Any) -> Any:
    """A step that fails unless it writes its file."""
    return step("one", outputs=["one.txt"], **more)


DONE = (writes("one.txt", "1"), says("one is done"))


async def told(engine: Engine, run_id: str) -> str:
    """All that agents were told."""
    return "\n".join(one.content for one in await engine.messages(run_id) if one.role == "user")


# Which mode asks about what


async def test_each_mode_asks_about_what_it_says(lab: Lab) -> None:
    lab.journal.plans(one_txt(), step("two", "one"))
    lab.journal.does("one", SORRY, attempt=1).does("one", *DONE, attempt=2)
    lab.journal.does("two", says("done"))
    rules = {"allow": [{"what": "tool"}]}
    engine = await lab.engine()
    for mode, kinds in (
        (M.NONE, []),
        (M.AFTER_PLANNING, ["plan"]),
        (M.BEFORE_EACH_STEP, ["step"]),
        (M.ON_ERROR, ["error"]),
        (M.MANUAL, ["step", "error", "step"]),
        (M.CUSTOM, ["plan", "step", "error", "step"]),
    ):
        given = (one_txt(), step("two", "one")) if mode is M.MANUAL else ()  # without a plan a person gives the turns
        run_id = await begin(lab, engine, *given, approval=mode, rules=rules if mode is M.CUSTOM else None)
        seen: list[str] = []
        while waiting := await engine.approvals():
            seen.append(waiting[0].kind)
            await answer(engine, waiting[0], A.RETRY if waiting[0].kind == "error" else A.APPROVED)
        assert seen == kinds, mode
        over = (await engine.view(run_id)).run.state
        assert over is (RunState.COMPLETED if "error" in kinds else RunState.FAILED), mode


# A step


async def test_a_step_is_asked_about_with_all_that_it_starts_from(lab: Lab) -> None:
    lab.journal.does("one", writes("data/a.txt", "abc"), says("Three letters."))
    lab.journal.does("two", says("done"))
    engine = await lab.engine()
    two = step("two", "one", instructions=["Count them."], outputs=[])
    run_id = await begin(lab, engine, step("one"), two, approval=M.BEFORE_EACH_STEP)
    first = await asked(engine, run_id, "step")
    assert first.shown["inputs"] == [] and first.shown["step"]["id"] == "one"
    await answer(engine, first, A.APPROVED)
    second = await asked(engine, run_id, "step")
    assert second.title == "Step two: Do two"
    assert second.shown["step"]["instructions"] == ["Count them."]
    (file,) = second.shown["inputs"]
    assert (file["path"], file["size"], file["from"], len(file["sha256"])) == ("data/a.txt", 3, "one", 64)
    (upstream,) = second.shown["upstream"]
    assert (upstream["step"], upstream["summary"]) == ("one", "Three letters.")
    view = await answer(engine, second, A.APPROVED, feedback="Count twice.")
    assert view.run.state is RunState.COMPLETED
    assert "Count twice." in await told(engine, run_id)
    assert [one.number for one in view.attempts] == [1, 1, 1]


async def refused(engine: Engine, approval: Approval) -> None:
    """Every way that means nothing for such a question is refused, and it waits on."""
    for state in SETTLED:
        if state not in ways(approval):
            with pytest.raises(UsageError, match=f"a {approval.kind} cannot be settled as {state.value}"):
                await engine.resolve(approval.id, state)
    assert await asked(engine, approval.run_id, approval.kind) == approval


async def test_each_answer_about_a_step(lab: Lab) -> None:
    lab.journal.does("one", *DONE).does("three", says("three is done"))
    lab.journal.does("two", writes("two.txt", "2"), says("two is done"))
    engine = await lab.engine()
    for state in (A.APPROVED, A.REJECTED, A.MODIFIED, A.SKIP, A.ABORT):
        steps = one_txt(), step("two", "one"), step("three", "two")
        run_id = await begin(lab, engine, *steps, approval=M.BEFORE_EACH_STEP)
        await answer(engine, await asked(engine, run_id, "step"), A.APPROVED)
        two = await asked(engine, run_id, "step")
        await refused(engine, two)
        edit = {**two.shown["step"], "instructions": ["Do it another way."]} if state is A.MODIFIED else None
        await engine.set_mode(run_id, M.NONE)
        view = await answer(engine, two, state, edit=edit, feedback="Mind the gap.")
        ended, found, said = view.run.state, states(view), await told(engine, run_id)
        settled = next(one for one in view.approvals if one.id == two.id)
        assert (settled.state, settled.feedback) == (state, "Mind the gap.")
        if state is A.ABORT:
            assert ended is RunState.CANCELLED and found["two"] == "cancelled"
        elif state is A.REJECTED:
            assert ended is RunState.FAILED and (found["two"], found["three"]) == ("failed", "skipped")
            assert "Mind the gap." in (view.run.error or "")
        elif state is A.SKIP:
            assert ended is RunState.COMPLETED and (found["two"], found["three"]) == ("skipped", "completed")
            assert "one is done" in said and "one.txt" in said
        else:
            assert ended is RunState.COMPLETED and "Mind the gap." in said
        if state is A.MODIFIED:
            assert "Do it another way." in said
            assert "+    Do it another way." in settled.answer["difference"].splitlines()  # type: ignore[index]
            assert Plan.model_validate(view.run.plan).steps[1].instructions == ("Do it another way.",)
            events = await engine.events(run_id, kinds=(EventKind.APPROVAL,), limit=100)
            assert any("Do it another way." in one.data.get("difference", "") for one in events)


async def test_what_is_edited_must_fit(lab: Lab) -> None:
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("one"), approval=M.BEFORE_EACH_STEP)
    first = await asked(engine, run_id, "step")
    for edit, said in [
        ({"title": "T", "agent": "researcher"}, "another agent"),
        ({"title": "T", "outputs": ["../x"]}, "outputs|path|cannot run"),
        ({"title": 3}, "title"),
        ({"title": "T", "titel": "x"}, "titel"),
    ]:
        with pytest.raises((UsageError, PlanInvalid), match=said):
            await engine.resolve(first.id, A.MODIFIED, edit=edit)
    assert await asked(engine, run_id, "step") == first


async def test_a_skipped_step_stays_skipped_when_another_is_redone(lab: Lab) -> None:
    lab.journal.does("one", says("done")).does("three", says("done"))
    engine = await lab.engine()
    steps = step("one"), step("two", "one"), step("three", "two")
    run_id = await begin(lab, engine, *steps, approval=M.BEFORE_EACH_STEP)
    await answer(engine, await asked(engine, run_id, "step"), A.APPROVED)
    two = await asked(engine, run_id, "step")
    await engine.set_mode(run_id, M.NONE)
    assert (await answer(engine, two, A.SKIP)).run.state is RunState.COMPLETED
    await engine.redo(run_id, "three")
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    assert states(await engine.view(run_id))["two"] == "skipped"


async def test_a_redone_step_is_asked_about_again_and_parallel_ones_each_by_itself(lab: Lab) -> None:
    for name in ("one", "two"):
        lab.journal.does(name, says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("one"), step("two"), approval=M.BEFORE_EACH_STEP)
    both = await engine.approvals()
    assert sorted(one.shown["step"]["id"] for one in both) == ["one", "two"]
    for one in both:
        await engine.resolve(one.id, A.APPROVED)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    await engine.redo(run_id, "one", feedback="Look again.")
    await engine.wait(run_id)
    again = await asked(engine, run_id, "step")
    assert (again.shown["attempt"], again.shown["feedback"]) == (2, "Look again.")
    view = await answer(engine, again, A.APPROVED, feedback="Twice.")
    assert view.run.state is RunState.COMPLETED
    assert view.attempts[-2].feedback == "Look again.\n\nTwice."


# An error


async def test_each_answer_about_an_error(lab: Lab) -> None:
    lab.journal.does("one", SORRY, attempt=1).does("one", *DONE, attempt=2).does("two", says("done"))
    engine = await lab.engine()
    for state in (A.RETRY, A.MODIFIED, A.SKIP, A.REJECTED, A.ABORT):
        run_id = await begin(lab, engine, one_txt(), step("two", "one"), approval=M.ON_ERROR)
        error = await asked(engine, run_id, "error")
        assert "one.txt" in error.shown["message"] and error.shown["attempt"] == 1
        assert error.shown["not_retried"] == "retries are turned off"
        await refused(engine, error)
        edit = {**error.shown["step"], "title": "Do it well"} if state is A.MODIFIED else None
        view = await answer(engine, error, state, edit=edit, feedback="Use a hammer.")
        ended, found, said = view.run.state, states(view), await told(engine, run_id)
        if state is A.ABORT:
            assert ended is RunState.CANCELLED
        elif state is A.REJECTED:
            assert ended is RunState.FAILED and found == {"one": "failed", "two": "skipped", "terminator": "skipped"}
        elif state is A.SKIP:
            assert ended is RunState.COMPLETED and found["one"] == "skipped"
        else:
            assert ended is RunState.COMPLETED
            assert "Use a hammer." in said and "without leaving behind one.txt" in said
            assert [(one.number, one.reason) for one in view.attempts[:2]] == [(1, "first"), (2, "feedback")]
            assert ("Do it well" in said) == (state is A.MODIFIED)


async def test_the_engines_own_retries_come_first_and_count_anew_after_a_persons(lab: Lab) -> None:
    for attempt in (1, 2, 3, 4):
        lab.journal.does("one", SORRY, attempt=attempt)
    lab.journal.does("one", *DONE, attempt=5)
    engine = await lab.engine()
    run_id = await begin(lab, engine, one_txt(), approval=M.ON_ERROR, retries=1)
    assert (await asked(engine, run_id, "error")).shown["attempt"] == 2
    await answer(engine, await asked(engine, run_id, "error"), A.RETRY)
    error = await asked(engine, run_id, "error")
    assert (error.shown["attempt"], error.shown["not_retried"]) == (4, "all 1 retries were made")
    view = await answer(engine, error, A.RETRY)
    assert view.run.state is RunState.COMPLETED
    assert [one.reason for one in view.attempts[:-1]] == ["first", "retry", "feedback", "retry", "feedback"]


async def test_a_planning_that_failed_is_asked_about_too(lab: Lab) -> None:
    lab.journal.answers("planning", "planner", *[says("no plan")] * 9, attempt=1)
    lab.journal.plans(step("one"), attempt=2).does("one", says("done"))
    engine = await lab.engine()
    for state, ended in ((A.RETRY, "completed"), (A.REJECTED, "failed"), (A.ABORT, "cancelled")):
        run_id = await begin(lab, engine, approval=M.ON_ERROR)
        error = await asked(engine, run_id, "error")
        await refused(engine, error)
        assert (await answer(engine, error, state, feedback="Write JSON.")).run.state.value == ended
        assert ("Write JSON." in await told(engine, run_id)) == (state is A.RETRY)


# A plan


async def test_each_answer_about_a_plan(lab: Lab) -> None:
    lab.journal.plans(step("one"), attempt=1).plans(step("two"), attempt=2)
    lab.journal.does("one", says("done")).does("two", says("done"))
    engine = await lab.engine()
    for state in (A.APPROVED, A.REJECTED, A.RETRY, A.MODIFIED, A.ABORT):
        run_id = await begin(lab, engine, approval=M.AFTER_PLANNING)
        first = await asked(engine, run_id, "plan")
        await refused(engine, first)
        edited = Plan.parse(plan(step("two"), title="Edited")) if state is A.MODIFIED else None
        view = await answer(engine, first, state, feedback="Be brief.", plan=edited)
        if state in (A.REJECTED, A.RETRY):
            assert "Be brief." in await told(engine, run_id)
            view = await answer(engine, await asked(engine, run_id, "plan"), A.APPROVED)
        assert view.run.state is (RunState.CANCELLED if state is A.ABORT else RunState.COMPLETED)
        settled = next(one for one in view.approvals if one.id == first.id)
        if state is A.MODIFIED:
            assert "+title: Edited" in settled.answer["difference"].splitlines()  # type: ignore[index]
        if state is not A.ABORT:
            assert ("one" in states(view)) == (state is A.APPROVED)


# Changing the mode


async def test_the_mode_changes_while_the_run_waits_and_from_another_process(lab: Lab) -> None:
    lab.journal.plans(step("one"), step("two", "one", outputs=["two.txt"]))
    lab.journal.does("one", says("done")).does("two", SORRY)
    engine, other = await lab.engine(), await lab.engine(drives=False)
    run_id = await begin(lab, engine, approval=M.AFTER_PLANNING)
    await other.set_mode(run_id, M.BEFORE_EACH_STEP)
    await answer(engine, await asked(engine, run_id, "plan"), A.APPROVED)
    first = await asked(engine, run_id, "step")
    await engine.set_mode(run_id, M.CUSTOM, rules={"default": "allow", "ask": [{"what": "error", "step": "Do two"}]})
    await answer(engine, first, A.APPROVED)
    error = await asked(engine, run_id, "error")
    assert error.shown["why"] == ["ask 1: what error, step Do two"]
    await answer(engine, error, A.REJECTED)
    with pytest.raises(UsageError, match="it asks nothing any more"):
        await engine.set_mode(run_id, M.NONE)
    changes = [
        one.data for one in await engine.events(run_id, kinds=(EventKind.APPROVAL,), limit=99) if "mode" in one.data
    ]
    assert [one["mode"] for one in changes] == ["before_each_step", "custom"] and all(one["by"] for one in changes)


@pytest.mark.parametrize(("before", "after"), [(M.AFTER_PLANNING, M.NONE), (M.NONE, M.AFTER_PLANNING)])
async def test_a_mode_that_changes_while_the_plan_is_made_counts_for_it(
    lab: Lab, before: ApprovalMode, after: ApprovalMode
) -> None:
    lab.journal.answers("planning", "planner", says(json.dumps(plan(step("one"))), delay=1.0))
    lab.journal.answers("planning", "plan_reviewer", says('{"approved": true, "remarks": []}'))
    lab.journal.does("one", says("done"))
    engine = await lab.engine()
    run = await engine.submit("Plan it.", options=lab.options(approval=before))
    async with asyncio.timeout(30):
        while (await engine.view(run.id)).run.state is not RunState.PLANNING:
            await asyncio.sleep(0.01)
    await engine.set_mode(run.id, after)
    await engine.wait(run.id)
    if after is M.AFTER_PLANNING:
        await answer(engine, await asked(engine, run.id, "plan"), A.APPROVED)
    view = await engine.view(run.id)
    assert view.run.state is RunState.COMPLETED
    assert states(view) == {
        "planning": "completed",
        "approval": "completed",
        "one": "completed",
        "terminator": "completed",
    }


async def test_rules_refuse_a_plan_or_a_step_and_wrong_ones_are_refused_themselves(lab: Lab) -> None:
    lab.journal.plans(step("one"), step("two")).does("one", says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, approval=M.CUSTOM, rules={"deny": [{"what": "plan", "why": "No plans."}]})
    run = (await engine.view(run_id)).run
    assert (run.state, run.error) == (RunState.FAILED, "a rule forbids it: deny 1: No plans.")
    rules = {"default": "allow", "deny": [{"what": "step", "step": "Do two"}]}
    run_id = await begin(lab, engine, approval=M.CUSTOM, rules=rules)
    view = await engine.view(run_id)
    assert states(view)["two"] == "failed" and "a rule forbids it" in (view.run.error or "")
    with pytest.raises(UsageError, match="deny 1: tol"):
        await begin(lab, engine, approval=M.CUSTOM, rules={"deny": [{"tol": "x"}]})


# Answers, processes and time


async def test_an_answer_is_given_once_and_history_says_by_whom(lab: Lab) -> None:
    lab.journal.does("one", says("done"))
    engine, other = await lab.engine(terminal="/dev/pts/7"), await lab.engine(drives=False, terminal="/dev/pts/8")
    run_id = await begin(lab, engine, step("one"), approval=M.BEFORE_EACH_STEP)
    first = await asked(engine, run_id, "step")
    results = await asyncio.gather(
        engine.resolve(first.id, A.REJECTED), other.resolve(first.id, A.APPROVED), return_exceptions=True
    )
    assert sum(isinstance(result, StaleState) for result in results) == 1
    await engine.wait(run_id)
    settled = (await engine.view(run_id)).approvals[0]
    who = "/dev/pts/7" if settled.state is A.REJECTED else "/dev/pts/8"
    assert who in (settled.resolved_by or "") and settled.resolved_at and settled.shown == first.shown


@pytest.mark.parametrize("mode", [M.BEFORE_EACH_STEP, M.ON_ERROR])
async def test_what_was_asked_and_answered_outlives_the_process(lab: Lab, mode: ApprovalMode) -> None:
    lab.journal.does("one", SORRY, attempt=1).does("one", *DONE, attempt=2)
    first = await lab.engine()
    run_id = await begin(lab, first, one_txt(), approval=mode)
    (asks,) = await first.approvals()
    await lab.close(first)
    looking = await lab.engine(drives=False)
    await looking.resolve(asks.id, A.RETRY if mode is M.ON_ERROR else A.APPROVED, feedback="Go on.")
    await lab.close(looking)
    second = await lab.engine()
    assert await second.take_over() == [run_id]
    await second.wait(run_id)
    view = await second.view(run_id)
    assert view.run.state is (RunState.COMPLETED if mode is M.ON_ERROR else RunState.FAILED)
    assert "Go on." in await told(second, run_id)
    assert [one.number for one in view.attempts[:2]] == ([1, 2] if mode is M.ON_ERROR else [1])


async def test_what_nobody_answers_goes_by_its_rule(lab: Lab) -> None:
    lab.journal.does("one", SORRY).does("two", says("done"))
    engine = await lab.engine()
    for given, mode, rule, ended in (
        (step("two"), M.BEFORE_EACH_STEP, A.APPROVED, "completed"),
        (step("two"), M.BEFORE_EACH_STEP, A.SKIP, "completed"),
        (step("two"), M.BEFORE_EACH_STEP, None, "failed"),
        (one_txt(), M.ON_ERROR, A.APPROVED, "failed"),
        (one_txt(), M.ON_ERROR, A.SKIP, "completed"),
        (one_txt(), M.ON_ERROR, None, "failed"),
    ):
        run_id = await begin(lab, engine, given, approval=mode, approval_deadline=0.001, on_expiry=rule)
        async with asyncio.timeout(30):
            while not (view := await engine.view(run_id)).run.state.terminal:
                await asyncio.sleep(0.02)
        assert view.run.state.value == ended, (mode, rule)
        assert view.approvals[0].resolved_by == "nobody, in time"
