"""Steering: pause holds an agent at its next call, cancel ends everything, redo begins a step again."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.model.errors import UsageError
from engine.model.events import EventKind
from engine.model.plan import Plan
from engine.model.records import ApprovalState, AttemptState, RunView
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import code, plan, says, step, writes
from tests.support.processes import wait_until_gone

_CODE, _TOOL = EventKind.CODE_EXEC, EventKind.TOOL_CALL


async def until_printed(engine: Engine, run_id: str, printed: str) -> None:
    """Wait until a program of the run has printed something."""
    subscription = engine.subscribe(run_id)
    seen = ""
    async with asyncio.timeout(30):
        while printed not in seen:
            await subscription.wait()
            seen += "".join(getattr(item, "text", "") for item in subscription.drain())
    subscription.close()


async def until(engine: Engine, run_id: str, state: RunState) -> RunView:
    """Wait until a run is in a state."""
    async with asyncio.timeout(30):
        while (view := await engine.view(run_id)).run.state is not state:
            await asyncio.sleep(0.02)
    return view


def gated(gate: Path, counts: Path, name: str) -> object:
    """Code that counts how often it ran, and waits for a file."""
    return code(
        f"import os, time\nopen({str(counts)!r}, 'a').write('{name}')\nprint('waiting', flush=True)\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\nopen('{name}.txt', 'w').write('{name}')",
        f"{name}.py",
    )


async def begin(lab: Lab, engine: Engine, *steps: object, **options: object) -> str:
    given = Plan.parse(plan(*steps))  # type: ignore[arg-type]
    return (await engine.submit("Steer it.", options=lab.options(**options), plan=given)).id


async def test_a_pause_answers_the_running_call_and_holds_the_agent_at_the_next(lab: Lab, tmp_path: Path) -> None:
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    lab.journal.does("one", gated(gate, counts, "a"), gated(gate, counts, "b"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("one"))
    await until_printed(engine, run_id, "waiting")
    assert (await engine.pause(run_id)).state is RunState.EXECUTING
    gate.touch()
    run = await engine.wait(run_id)
    assert run.state is RunState.PAUSED
    view = await engine.view(run_id)
    assert states(view) == {"one": "pending", "terminator": "pending"}
    assert [one.state for one in view.attempts] == [AttemptState.RUNNING]
    assert counts.read_text() == "a"

    await engine.resume(run_id)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    view = await engine.view(run_id)
    assert counts.read_text() == "ab", "what was answered before the pause does not run again"
    assert [one.number for one in view.attempts] == [1, 1]
    assert {one.path for one in view.artifacts} >= {"a.txt", "b.txt"}


async def test_a_pause_that_is_taken_back_stops_nothing(lab: Lab, tmp_path: Path) -> None:
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    lab.journal.does("one", gated(gate, counts, "a"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("one"))
    await until_printed(engine, run_id, "waiting")
    await engine.pause(run_id)
    await engine.resume(run_id)
    gate.touch()
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    assert counts.read_text() == "a"


async def test_a_resume_while_the_last_call_is_still_held_goes_on_by_itself(lab: Lab, tmp_path: Path) -> None:
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    slow = code(
        "import time, os\nprint('slow', flush=True)\nwhile not os.path.exists('../../../slow'): time.sleep(0.02)"
    )
    lab.journal.does("one", gated(gate, counts, "a"), says("done"))
    lab.journal.does("two", slow, says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("one"), step("two"))
    await until_printed(engine, run_id, "waiting")
    await engine.pause(run_id)
    gate.touch()
    async with asyncio.timeout(30):  # one is held once its answer is recorded
        while sum(one.phase == "end" for one in await engine.events(run_id, kinds=(_CODE,), limit=1000)) < 1:
            await asyncio.sleep(0.02)
    await engine.resume(run_id)
    view = await engine.view(run_id)
    (Path(next(one.workdir for one in view.attempts if one.workdir)) / "../../../slow").resolve().touch()
    assert (await until(engine, run_id, RunState.COMPLETED)).run.error is None
    assert counts.read_text() == "a"


async def test_stop_now_ends_a_call_and_it_is_made_again_in_what_it_first_found(lab: Lab, tmp_path: Path) -> None:
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    lab.journal.does("one", writes("kept.txt", "kept"), gated(gate, counts, "a"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("one"))
    await until_printed(engine, run_id, "waiting")
    await engine.pause(run_id)
    assert (await engine.pause(run_id, now=True)).state is RunState.PAUSED
    gate.touch()
    await engine.resume(run_id)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    assert counts.read_text() == "aa"
    assert {one.path for one in (await engine.view(run_id)).artifacts} >= {"kept.txt", "a.txt"}


async def test_cancel_ends_a_tree_that_ignores_being_asked_and_redo_goes_on_from_there(lab: Lab) -> None:
    stubborn = code(
        "import os, signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = 'import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); '\n"
        "child += 'time.sleep(600) # stubborn child'\n"
        "subprocess.Popen([sys.executable, '-c', child], start_new_session=True)\n"
        "print('stubborn', flush=True)\ntime.sleep(600)"
    )
    lab.journal.does("one", writes("one.txt", "1"), says("done"))
    lab.journal.does("two", stubborn, says("never"), attempt=1)
    lab.journal.does("two", writes("two.txt", "2"), says("done"), attempt=2)
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("one"), step("two", "one"), step("three", "two"))
    lab.journal.does("three", writes("three.txt", "3"), says("done"))
    await until_printed(engine, run_id, "stubborn")
    began = time.monotonic()
    assert (await engine.cancel(run_id)).state is RunState.CANCELLED
    print("cancelled after", time.monotonic() - began, "s")
    wait_until_gone("# stubborn child", patience=0.0)
    assert states(await engine.view(run_id)) == {
        "one": "completed",
        "two": "cancelled",
        "three": "cancelled",
        "terminator": "cancelled",
    }
    await engine.redo(run_id, "two", feedback="Do not sleep.")
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    view = await engine.view(run_id)
    names = {node.id: node.step for node in view.nodes}
    assert [(names[one.node_id], one.number, one.reason) for one in view.attempts] == [
        ("one", 1, "first"),
        ("two", 1, "first"),
        ("two", 2, "redo"),
        ("three", 1, "first"),
        ("terminator", 1, "first"),
    ]
    assert view.attempts[2].feedback == "Do not sleep."
    messages = await engine.messages(run_id)
    assert any("Do not sleep." in one.content for one in messages if one.role == "user")


async def test_redo_of_a_finished_step_does_what_builds_on_it_again_and_nothing_else(lab: Lab) -> None:
    for attempt in (1, 2):
        lab.journal.does("a", writes("a.txt", f"a{attempt}"), says("done"), attempt=attempt)
        lab.journal.does("b", writes("b.txt", f"b{attempt}"), says("done"), attempt=attempt)
    lab.journal.does("c", writes("c.txt", "c"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("a"), step("b", "a"), step("c"))
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    await engine.redo(run_id, "a")
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    view = await engine.view(run_id)
    names = {node.id: node.step for node in view.nodes}
    tries = sorted((names[one.node_id], one.number) for one in view.attempts)
    assert tries == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("terminator", 1), ("terminator", 2)]
    root = Path(view.session.directory)
    (text,) = [one.read_text() for one in root.glob("*/control/b.txt")]
    assert text == "b2"


async def test_redo_says_why_it_cannot_be(lab: Lab) -> None:
    lab.journal.does("a", writes("a.txt", "1"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("a"), max_redos=1)
    await engine.wait(run_id)
    with pytest.raises(UsageError, match=r"no step of run .* fits 'zzz'"):
        await engine.redo(run_id, "zzz")
    await engine.redo(run_id, "a")
    await engine.wait(run_id)
    with pytest.raises(UsageError, match="the step a was redone once: max_redos, 1, is reached"):
        await engine.redo(run_id, "a")


async def test_redo_of_a_failed_step_revives_what_it_had_doomed_but_not_what_another_failure_did(lab: Lab) -> None:
    broken = code("raise SystemExit(1)")
    for name in ("a", "x"):
        lab.journal.does(name, broken, broken, broken, says("sorry"), attempt=1)
    lab.journal.does("a", writes("a.txt", "1"), says("done"), attempt=2)
    lab.journal.does("b", writes("b.txt", "1"), says("done"))
    lab.journal.does("y", writes("y.txt", "1"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, step("a"), step("b", "a"), step("x"), step("y", "x"))
    assert (await engine.wait(run_id)).state is RunState.FAILED
    await engine.redo(run_id, "a")
    assert (await engine.wait(run_id)).state is RunState.FAILED
    assert states(await engine.view(run_id)) == {
        "a": "completed",
        "redo 1 of a": "completed",
        "b": "completed",
        "x": "failed",
        "y": "skipped",
        "terminator": "skipped",
    }


@pytest.mark.parametrize("answer", [ApprovalState.RETRY, ApprovalState.SKIP])
async def test_a_call_that_must_not_be_made_twice_unasked_asks(lab: Lab, tmp_path: Path, answer: ApprovalState) -> None:
    agents = lab.home / "agents"
    agents.mkdir(parents=True)
    (agents / "engineer.toml").write_text('ask_again = ["run_code"]\n')
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    lab.journal.does("one", writes("w.txt", "w"), gated(gate, counts, "a"), says("done"))
    first = await lab.engine()
    run_id = await begin(lab, first, step("one"))
    await until_printed(first, run_id, "waiting")
    await lab.close(first)

    second = await lab.engine()
    await second.resume(run_id)
    assert (await second.wait(run_id)).state is RunState.WAITING_APPROVAL
    (approval,) = await second.approvals()
    assert approval.kind == "tool" and "may have had its effect" in approval.title
    assert counts.read_text() == "a", "nothing ran before the person was asked"
    gate.touch()
    await second.resolve(approval.id, answer, feedback="I looked.")
    view = await until(second, run_id, RunState.COMPLETED)
    assert counts.read_text() == ("aa" if answer is ApprovalState.RETRY else "a")
    assert [one.number for one in view.attempts] == [1, 1]
    results = [json.dumps(one.data) for one in await second.events(run_id, kinds=(_TOOL,), limit=1000)]
    assert any("is not run again" in one and "I looked." in one for one in results) == (answer is ApprovalState.SKIP)


async def test_what_was_open_when_its_process_went_is_closed_in_the_record(lab: Lab, tmp_path: Path) -> None:
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    lab.journal.does("one", gated(gate, counts, "a"), says("done"))
    first = await lab.engine()
    run_id = await begin(lab, first, step("one"))
    await until_printed(first, run_id, "waiting")
    await lab.close(first)
    gate.touch()
    second = await lab.engine()
    await second.resume(run_id)
    assert (await second.wait(run_id)).state is RunState.COMPLETED
    events = await second.events(run_id, limit=1000)
    begun = {one.id for one in events if one.phase == "start"}
    assert begun == {one.span_id for one in events if one.phase == "end"}
