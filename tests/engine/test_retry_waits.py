"""Retries that wait: the server's time is kept, others go on, and no pause or end of a process loses the count.

Time is the tests': a retry that waits is waited for by setting the clock on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.options import ApprovalMode
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import code, plan, says, step, writes
from tests.support.openai_server import (
    OpenAIServer,
    Refused,
    call,
    review,
    text,
)
from tests.support.openai_server import plan as planned
from tests.support.retries import (
    CLIENT,
    LIVE,
    LONG,
    TWICE,
    Hands,
    begin,
    decisions,
    impatient,
    live,
    tries,
    until_waiting,
)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


async def test_a_retry_waits_as_long_as_the_server_asks_while_others_go_on(lab: Lab, server: OpenAIServer) -> None:
    server.answer(LONG, text("Done."), about="About limited.")
    server.answer(text("Done."), about="About beside.")
    server.answer(text("Done."), about="About after.")
    clock = Hands()
    engine = await lab.engine(clock=clock, **live(server))
    steps = [step(name, title=f"About {name}.") for name in ("limited", "beside")]
    run_id = await begin(engine, lab, *steps, step("after", "beside", title="About after."), **LIVE, max_parallel=1)
    at = await until_waiting(engine, run_id, "limited")
    (decision,) = await decisions(engine, run_id)
    assert 600.0 <= decision.data["wait"] <= 750.0
    async with asyncio.timeout(60):
        while states(await engine.view(run_id))["after"] != "completed":
            await asyncio.sleep(0.02)
    clock.wall += 7200.0  # the clock jumps: that is no reason to come early
    clock.passed += decision.data["wait"] - 30.0
    await asyncio.sleep(0.5)
    view = await engine.view(run_id)
    assert states(view)["limited"] == "pending" and view.run.state is RunState.EXECUTING
    assert engine.active() == [run_id]
    clock.passed += 30.0
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    view = await engine.view(run_id)
    assert tries(view)["limited"] == TWICE
    assert [one.retry_at for one in view.nodes] == [None] * 4
    second = max(view.attempts, key=lambda one: (one.reason == "retry", one.number))
    assert second.started_at >= at
    assert server.count == 4


async def test_a_run_can_be_paused_resumed_and_cancelled_in_a_backoff(lab: Lab, server: OpenAIServer) -> None:
    server.always(LONG)
    clock = Hands()
    engine = await lab.engine(clock=clock, **live(server))
    run_id = await begin(engine, lab, step("limited"), **LIVE)
    at = await until_waiting(engine, run_id, "limited")
    await engine.pause(run_id)
    assert (await engine.wait(run_id)).state is RunState.PAUSED
    assert (await until_waiting(engine, run_id, "limited")) == at
    await engine.resume(run_id)
    assert (await engine.view(run_id)).run.state is RunState.EXECUTING
    assert server.count == 1, "it still waits"
    assert (await engine.cancel(run_id)).state is RunState.CANCELLED
    view = await engine.view(run_id)
    assert states(view) == {"limited": "cancelled", "terminator": "cancelled"}
    assert tries(view)["limited"] == [(1, "first", "failed")]
    # What the backoff was waiting for is forgotten when a person has it done again at once.
    server.always(text("Done."))
    await engine.redo(run_id, "limited")
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    assert tries(await engine.view(run_id))["limited"] == [(1, "first", "failed"), (2, "redo", "completed")]


async def test_another_process_goes_on_with_the_count_and_the_time(lab: Lab, server: OpenAIServer) -> None:
    server.always(LONG)
    clock = Hands()
    first = await lab.engine(clock=clock, **live(server))
    run_id = await begin(first, lab, step("limited"), **LIVE)
    at = await until_waiting(first, run_id, "limited")
    await lab.close(first)

    second = await lab.engine(clock=clock, **live(server))
    await second.resume(run_id)
    async with impatient(second, run_id, clock):
        clock.on((at - clock.now()).total_seconds())
        assert (await second.wait(run_id)).state is RunState.FAILED
    view = await second.view(run_id)
    assert tries(view)["limited"] == [(1, "first", "failed"), (2, "retry", "failed"), (3, "retry", "failed")]
    attempts = sorted((one for one in view.attempts if one.node_id == view.nodes[0].id), key=lambda one: one.number)
    assert attempts[1].started_at >= at
    assert server.count == 3


async def test_planning_goes_on_where_the_provider_failed_and_begins_anew_where_the_plan_did(
    lab: Lab, server: OpenAIServer
) -> None:
    good = planned(plan(step("only")))
    server.answer(good, role="planner")
    server.answer(*[Refused(500, retry_after=0.01)] * CLIENT, review(), role="plan_reviewer")
    clock = Hands()
    engine = await lab.engine(clock=clock, **live(server))
    run = await engine.submit("Plan it.", options=lab.options(**LIVE, approval=ApprovalMode.AFTER_PLANNING))
    async with impatient(engine, run.id, clock):
        assert (await engine.wait(run.id)).state is RunState.WAITING_APPROVAL
    assert tries(await engine.view(run.id))["planning"] == TWICE
    assert len(server.asked("planner")) == 1, "the plan is not made twice"

    cycle = planned(plan(step("a", "b"), step("b", "a")))
    server.answer(*[cycle] * 3, good, role="planner")
    server.answer(review(), role="plan_reviewer")
    run = await engine.submit("Plan another.", options=lab.options(**LIVE))
    assert (await engine.wait(run.id)).state is RunState.WAITING_APPROVAL
    assert tries(await engine.view(run.id))["planning"] == TWICE
    told = server.asked("planner")[-1].first
    assert "This plan was begun before, and failed" in told and "go round in a circle: a → b → a" in told


async def test_a_retry_that_goes_on_is_itself_broken_off_retried_and_replayed(
    lab: Lab, server: OpenAIServer, tmp_path: Path
) -> None:
    counts, gate = tmp_path / "counts", tmp_path / "gate"
    first = f"open({str(counts)!r}, 'a').write('1')\nopen('one.txt', 'w').write('one')"
    second = (
        f"import os, time\nopen({str(counts)!r}, 'a').write('2')\nopen('two.txt', 'w').write(open('one.txt').read())\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    )
    fails = [Refused(500, retry_after=0.01)] * CLIENT
    server.answer(call("run_code", filename="one.py", code=first, explanation="one"), *fails)
    server.answer(call("run_code", filename="two.py", code=second, explanation="two"), *fails, text("Both are there."))
    clock = Hands()
    engine = await lab.engine(clock=clock, **live(server))
    run_id = await begin(engine, lab, step("both", outputs=["one.txt", "two.txt"]), **LIVE)
    async with impatient(engine, run_id, clock):
        async with asyncio.timeout(60):
            while not counts.exists() or counts.read_text() != "12":
                await asyncio.sleep(0.02)
        await lab.close(engine)
    gate.touch()
    engine = await lab.engine(clock=clock, **live(server))
    await engine.resume(run_id)
    async with impatient(engine, run_id, clock):
        run = await engine.wait(run_id)
    assert run.state is RunState.COMPLETED, run.error
    view = await engine.view(run_id)
    assert tries(view)["both"] == [(1, "first", "failed"), (2, "retry", "failed"), (3, "retry", "completed")]
    assert counts.read_text() == "122", "only what was in flight when the engine was closed ran again"
    assert server.count == 3 + 2 * CLIENT
    left = await engine.reads(run.session_id).checkpoint(view.nodes[0].id)
    assert left is not None
    assert {one.path for one in left.tree} == {"one.txt", "two.txt", "codebase/one.py", "codebase/two.py"}
    asked = server.count
    replayed = await engine.replay(run_id, strict=True)
    replayed = await engine.wait(replayed.id)
    assert replayed.state is RunState.COMPLETED, replayed.error
    assert server.count == asked


async def test_a_retry_that_began_anew_is_replayed_with_what_it_was_told(lab: Lab) -> None:
    lab.journal.does("fit", code("1/0"), says("Sorry."), attempt=1)
    lab.journal.does("fit", writes("x.txt", "x"), says("Done."), attempt=2)
    engine = await lab.engine()
    run_id = await begin(engine, lab, step("fit", outputs=["x.txt"]), retries=1)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    replayed = await engine.replay(run_id, strict=True)
    replayed = await engine.wait(replayed.id)
    assert replayed.state is RunState.COMPLETED, replayed.error


async def test_a_worker_that_was_killed_is_followed_by_another_that_knows_what_was_answered(
    lab: Lab, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    kills = code(
        f"import os, pathlib\nmark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists():\n    mark.write_text('x')\n"
        "    worker = int(open(f'/proc/{os.getppid()}/stat').read().split()[3])\n"
        "    os.kill(worker, 9)\n    os.kill(os.getppid(), 9)\n"
        "open('x.txt', 'w').write(open('before.txt').read())"
    )
    lab.journal.does("fit", writes("before.txt", "before"), kills, says("Done."))
    clock = Hands()
    engine = await lab.engine(clock=clock)
    run_id = await begin(engine, lab, step("fit", outputs=["x.txt"]), retries=1)
    async with impatient(engine, run_id, clock):
        run = await engine.wait(run_id)
    assert run.state is RunState.COMPLETED, run.error
    assert tries(await engine.view(run_id))["fit"] == TWICE
    (decision,) = await decisions(engine, run_id)
    assert decision.data["kind"] == "worker" and "SIGKILL" in decision.data["why"]
