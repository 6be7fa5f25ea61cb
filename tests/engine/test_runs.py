"""Runs from the first word to the last, with real workers and a real database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.model.errors import PlanInvalid, StaleState, UsageError
from engine.model.events import Event, EventKind
from engine.model.ids import short
from engine.model.options import ApprovalMode
from engine.model.plan import Plan
from engine.model.records import ApprovalState, AttemptState, EdgeKind, Mode, NodeKind
from engine.model.states import RunState, StepState
from tests.engine.conftest import Lab, states
from tests.support.journals import code, plan, says, step, writes

WRITES_ONE = code("import pathlib; pathlib.Path('data').mkdir(exist_ok=True); open('data/one.txt', 'w').write('1')")


async def planned(lab: Lab, engine: Engine, **more: object) -> str:
    """Submit a task and wait until its plan waits for a person."""
    run = await engine.submit("Is it so?", mode=Mode.PLANNING_CONTROL, options=lab.options(**more))
    run = await engine.wait(run.id)
    assert run.state is RunState.WAITING_APPROVAL, run.error
    return run.id


async def all_events(engine: Engine, run_id: str) -> list[Event]:
    return await engine.events(run_id, limit=10_000)


async def test_a_plan_is_made_approved_and_carried_out(lab: Lab) -> None:
    lab.journal.plans(step("data", outputs=["data/one.txt"]), step("report", "data", agent="researcher"))
    lab.journal.does("data", WRITES_ONE, says("One is written."))
    lab.journal.does("report", writes("report.md", "# It is so\n"), says("The report is written."), agent="researcher")
    engine = await lab.engine()
    run_id = await planned(lab, engine)
    (approval,) = await engine.approvals()
    assert [one["id"] for one in approval.shown["plan"]["steps"]] == ["data", "report"]

    settled = await engine.resolve(approval.id, ApprovalState.APPROVED)
    assert settled.state is ApprovalState.APPROVED
    run = await engine.wait(run_id)

    assert run.state is RunState.COMPLETED, run.error
    view = await engine.view(run_id)
    assert set(states(view).values()) == {"completed"}
    assert [node.kind for node in view.nodes] == [
        NodeKind.PLANNING,
        NodeKind.APPROVAL,
        NodeKind.STEP,
        NodeKind.STEP,
        NodeKind.TERMINATOR,
    ]
    assert {edge.kind for edge in view.edges} == {EdgeKind.SEQUENTIAL}
    written = {artifact.path: artifact for artifact in view.artifacts}
    assert engine.blob(written["data/one.txt"].sha256) == b"1"
    assert written["report.md"].agent == "researcher"
    folder = Path(view.session.directory) / short(run_id)
    assert (folder / "control" / "data" / "one.txt").read_text() == "1"
    assert (folder / "control" / "report.md").read_text() == "# It is so\n"
    assert json.loads((folder / "planning" / "final_plan.json").read_text())["steps"][0]["id"] == "data"
    assert json.loads((folder / "control" / "chats" / "chat_history_step_2.json").read_text())


async def test_events_are_dense_nested_and_lead_from_the_agent_to_its_file(lab: Lab) -> None:
    lab.journal.does("data", WRITES_ONE, says("One is written."))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("data"))
    events = await all_events(engine, run.id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    by_id = {event.id: event for event in events}
    (file,) = [event for event in events if event.kind is EventKind.FILE_GEN and event.data["path"] == "data/one.txt"]
    chain = []
    at: Event | None = file
    while at is not None:
        chain.append(at.kind)
        at = by_id.get(at.parent_event_id or "")
    assert chain[0] is EventKind.FILE_GEN
    assert EventKind.TOOL_CALL in chain
    assert chain[-1] is EventKind.AGENT_CALL
    for event in events:
        assert event.span_id is None or by_id[event.span_id].seq < event.seq


async def test_every_change_of_state_is_in_the_history(lab: Lab) -> None:
    lab.journal.does("data", WRITES_ONE, says("done"))
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, step("data"))
    history = await engine.reads(run.session_id).history(run.id)
    of_run = [(change.before, change.after) for change in history if change.entity == "run"]
    assert of_run == [("draft", "executing"), ("executing", "completed")]
    (data,) = [node for node in view.nodes if node.step == "data"]
    assert [change.after for change in history if change.entity_id == data.id] == ["running", "completed"]


async def test_a_rejected_plan_is_made_again(lab: Lab) -> None:
    lab.journal.plans(step("first"), attempt=1).plans(step("second"), attempt=2)
    lab.journal.does("second", WRITES_ONE, says("done"))
    engine = await lab.engine()
    run_id = await planned(lab, engine)
    (approval,) = await engine.approvals()
    await engine.resolve(approval.id, ApprovalState.REJECTED, feedback="Call it second.")
    await engine.wait(run_id)
    (again,) = await engine.approvals()
    assert [one["id"] for one in again.shown["plan"]["steps"]] == ["second"]
    said = [message.content for message in await engine.messages(run_id) if message.role == "user"]
    assert any("Call it second." in content for content in said)
    await engine.resolve(again.id, ApprovalState.APPROVED)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED


async def test_an_edited_plan_is_what_runs(lab: Lab) -> None:
    lab.journal.plans(step("data"), step("more", "data"))
    lab.journal.does("data", WRITES_ONE, says("done"))
    engine = await lab.engine()
    run_id = await planned(lab, engine)
    (approval,) = await engine.approvals()
    with pytest.raises(PlanInvalid, match="unknown agent"):
        wrong = Plan.parse(plan(step("data", agent="astrologer")))
        await engine.resolve(approval.id, ApprovalState.MODIFIED, plan=wrong)
    await engine.resolve(approval.id, ApprovalState.MODIFIED, plan=Plan.parse(plan(step("data"))))
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    view = await engine.view(run_id)
    assert [node.step for node in view.nodes if node.kind is NodeKind.STEP] == ["data"]
    assert view.approvals[0].shown["plan"]["steps"][1]["id"] == "more"  # what was shown stays readable


async def test_an_approval_has_one_outcome(lab: Lab) -> None:
    lab.journal.plans(step("data"))
    engine = await lab.engine()
    await planned(lab, engine)
    (approval,) = await engine.approvals()
    await engine.resolve(approval.id, ApprovalState.ABORT)
    with pytest.raises(StaleState, match="was settled before: abort"):
        await engine.resolve(approval.id, ApprovalState.APPROVED)
    assert (await engine.wait(approval.run_id)).state is RunState.CANCELLED


async def test_a_failed_step_skips_what_depends_on_it_and_the_run_says_why(lab: Lab) -> None:
    lab.journal.does("bad", *[code("raise ValueError('no such data: supernovae.csv')")] * 3, says("It does not work."))
    for name in ("good", "beside"):
        lab.journal.does(name, WRITES_ONE, says("done"))
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, step("bad"), step("good"), step("after", "bad"), step("beside", "good"))
    assert run.state is RunState.FAILED
    assert states(view) == {
        "bad": "failed",
        "good": "completed",
        "after": "skipped",
        "beside": "completed",
        "terminator": "skipped",
    }
    assert run.error is not None
    assert "step bad" in run.error
    assert "supernovae.csv" in run.error


async def test_a_missing_output_fails_the_step_whatever_the_model_says(lab: Lab) -> None:
    lab.journal.does("data", code("print('pretending')"), says("The file is written, all is well."))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("data", outputs=["data/result.json"]))
    assert run.state is RunState.FAILED
    assert "data/result.json" in (run.error or "")


async def test_a_failed_check_fails_the_step(lab: Lab) -> None:
    check = {"name": "sane", "kind": "json_value", "path": "fit.json", "pointer": "/chi2", "min": 0.5, "max": 2.0}
    lab.journal.does("fit", code("open('fit.json', 'w').write('{\"chi2\": 7.5}')"), says("A good fit."))
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, step("fit", checks=[check]))
    assert run.state is RunState.FAILED
    (attempt,) = view.attempts
    assert [(one.name, one.ok) for one in attempt.checks] == [("sane", False)]
    assert "7.5" in attempt.checks[0].detail


async def test_a_step_sees_the_files_and_words_of_the_steps_before(lab: Lab) -> None:
    lab.journal.does("one", code("open('one.txt', 'w').write('1')"), says("I wrote the one."))
    lab.journal.does("two", code("open('two.txt', 'w').write(open('one.txt').read() + '2')"), says("done"))
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, step("one"), step("two", "one"))
    assert run.state is RunState.COMPLETED, run.error
    contents = {artifact.path: engine.blob(artifact.sha256) for artifact in view.artifacts}
    assert contents["two.txt"] == b"12"
    (two,) = [node for node in view.nodes if node.step == "two"]
    prompt = next(one.content for one in await engine.messages(run.id, node_id=two.id) if one.role == "user")
    assert "I wrote the one." in prompt


async def test_parallel_steps_that_wrote_one_path_differently_are_both_kept(lab: Lab) -> None:
    for name in ("left", "right"):
        lab.journal.does(name, code(f"open('fit.txt', 'w').write('{name}')", f"{name}.py"), says("done"))
    lab.journal.does("both", code("import os; print(sorted(os.listdir()))", "both.py"), says("done"))
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, step("left"), step("right"), step("both", "left", "right"))
    assert run.state is RunState.COMPLETED, run.error
    conflicts = [event for event in await all_events(engine, run.id) if event.kind is EventKind.CONFLICT]
    assert {tuple(event.data["kept"]) for event in conflicts} == {("fit~left.txt", "fit~right.txt")}
    control = Path(view.session.directory) / short(run.id) / "control"
    assert (control / "fit~left.txt").read_text() == "left"
    assert (control / "fit~right.txt").read_text() == "right"


async def test_one_shot_is_one_agent_and_no_plan(lab: Lab) -> None:
    lab.journal.does("task", WRITES_ONE, says("The answer is 1."))
    engine = await lab.engine()
    run = await engine.submit("What is one?", mode=Mode.ONE_SHOT, options=lab.options())
    run = await engine.wait(run.id)
    assert run.state is RunState.COMPLETED, run.error
    view = await engine.view(run.id)
    assert [node.kind for node in view.nodes] == [NodeKind.STEP, NodeKind.TERMINATOR]
    assert view.attempts[0].summary == "The answer is 1."


async def test_without_approval_nothing_is_asked(lab: Lab) -> None:
    lab.journal.plans(step("data")).does("data", WRITES_ONE, says("done"))
    engine = await lab.engine()
    options = lab.options(approval=ApprovalMode.NONE)
    run = await engine.submit("Is it so?", mode=Mode.PLANNING_CONTROL, options=options)
    assert (await engine.wait(run.id)).state is RunState.COMPLETED
    assert await engine.approvals(pending=False) == []


async def until_running(engine: Engine, run_id: str, name: str, printed: str) -> None:
    """Wait until a step's code has printed something."""
    subscription = engine.subscribe(run_id)
    seen = ""
    async with asyncio.timeout(30):
        while printed not in seen:
            await subscription.wait()
            for item in subscription.drain():
                seen += getattr(item, "text", "")
    subscription.close()
    view = await engine.view(run_id)
    assert states(view)[name] == "running"


SLEEPS = code("import time; print('asleep', flush=True); time.sleep(600)", "sleep.py")


async def test_cancel_ends_what_runs_and_everything_after_it(lab: Lab) -> None:
    lab.journal.does("long", SLEEPS, says("never said"))
    engine = await lab.engine()
    run = await engine.submit(
        "Sleep.", options=lab.options(), plan=Plan.parse(plan(step("long"), step("after", "long")))
    )
    await until_running(engine, run.id, "long", "asleep")
    run = await engine.cancel(run.id)
    assert run.state is RunState.CANCELLED
    view = await engine.view(run.id)
    assert states(view) == {"long": "cancelled", "after": "cancelled", "terminator": "cancelled"}
    assert view.attempts[0].state is AttemptState.CANCELLED
    with pytest.raises(UsageError, match="nothing to cancel"):
        await engine.cancel(run.id)


async def test_the_directory_of_a_done_attempt_goes_and_that_of_a_failed_one_stays_to_be_looked_at(lab: Lab) -> None:
    broken = code("open('kept.txt', 'w').write('x'); raise SystemExit(1)")
    lab.journal.does("good", WRITES_ONE, says("done"))
    lab.journal.does("bad", broken, broken, broken, says("sorry"))
    engine = await lab.engine()
    _, view = await lab.carry_out(engine, step("good"), step("bad"))
    work = next(Path(view.session.directory).glob("*/work"))
    assert [str(one.relative_to(work)) for one in work.rglob("*.txt")] == ["bad/1/kept.txt"]
    assert not (work / "good").exists()


async def test_closing_in_the_middle_loses_nothing_that_was_done(lab: Lab, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = f"import time, os\nprint('waiting', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    lab.journal.does("one", WRITES_ONE, says("done"))
    lab.journal.does("two", code(waits, "two.py"), says("done"))
    first = await lab.engine()
    run = await first.submit("Wait.", options=lab.options(), plan=Plan.parse(plan(step("one"), step("two", "one"))))
    await until_running(first, run.id, "two", "waiting")
    await lab.close(first)

    second = await lab.engine()
    view = await second.view(run.id)
    assert view.run.state is RunState.PAUSED
    assert states(view) == {"one": "completed", "two": "pending", "terminator": "pending"}
    gate.touch()
    await second.resume(run.id)
    assert (await second.wait(run.id)).state is RunState.COMPLETED
    view = await second.view(run.id)
    tries = {node.step: [one.state for one in view.attempts if one.node_id == node.id] for node in view.nodes}
    assert tries["one"] == [AttemptState.COMPLETED]
    assert tries["two"] == [AttemptState.COMPLETED]


async def test_an_approval_given_in_another_process_wakes_the_one_that_drives(lab: Lab) -> None:
    lab.journal.plans(step("data")).does("data", WRITES_ONE, says("done"))
    driver, other = await lab.engine(), await lab.engine(drives=False)
    run_id = await planned(lab, driver)
    (approval,) = await other.approvals()
    follower = other.subscribe(run_id)
    await other.resolve(approval.id, ApprovalState.APPROVED)
    async with asyncio.timeout(30):
        while (await other.view(run_id)).run.state is not RunState.COMPLETED:
            await follower.wait()
            follower.drain()
    assert states(await driver.view(run_id))["data"] == StepState.COMPLETED


async def test_a_follower_in_another_process_misses_and_repeats_nothing(lab: Lab) -> None:
    lab.journal.does("data", WRITES_ONE, says("done"))
    driver, other = await lab.engine(), await lab.engine(drives=False)
    run = await driver.submit("Go.", options=lab.options(), plan=Plan.parse(plan(step("data"))))
    follower = other.subscribe(run.id)
    await driver.wait(run.id)
    last = (await driver.view(run.id)).last_seq
    seen: list[int] = []
    async with asyncio.timeout(30):
        while not seen or seen[-1] < last:
            await follower.wait()
            seen += [item.seq for item in follower.drain() if isinstance(item, Event)]
    assert seen == list(range(1, last + 1))


async def test_another_process_may_cancel_a_run(lab: Lab) -> None:
    lab.journal.does("long", SLEEPS, says("never said"))
    driver, other = await lab.engine(), await lab.engine(drives=False)
    run = await driver.submit("Sleep.", options=lab.options(), plan=Plan.parse(plan(step("long"))))
    await until_running(driver, run.id, "long", "asleep")
    assert (await other.cancel(run.id)).state is RunState.CANCELLED
