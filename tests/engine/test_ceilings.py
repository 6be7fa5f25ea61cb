"""Budgets, counted at the model's server: never one call past a ceiling, with 16 steps at once, over retries and
restarts; and a person who raises one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from cmbagent_tui import words
from cmbagent_tui.state.board import Board
from cmbagent_tui.state.fold import fold
from engine.engine import Engine
from engine.model.errors import UsageError
from engine.model.options import BUDGET_REACHED, ApprovalMode, RunOptions
from engine.model.plan import Plan
from engine.model.records import ApprovalState, Mode, RunView
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import code, plan, says, step
from tests.support.openai_server import Answer, OpenAIServer, Refused, Silence, call, review, text
from tests.support.openai_server import plan as planned

MODEL = "gpt-4o"  # one that has a price
SIXTEEN = [step(f"s{number}") for number in range(16)]
NONE, ON_ERROR = ApprovalMode.NONE, ApprovalMode.ON_ERROR
A = ApprovalState


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(models=(MODEL,)) as running:
        running.always(Answer("Done.", tokens=(1_000, 100, 0, 0), pause=0.01, piece=1))
        yield running


async def opened(lab: Lab, server: OpenAIServer, **more: Any) -> Engine:
    return await lab.engine(environ={"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.key}, **more)


async def carried_out(engine: Engine, *steps: Any, mode: Mode = Mode.PLANNING_CONTROL, **options: Any) -> RunView:
    """A run as far as it goes; of the given plan, or with none of one that is made."""
    values = {"models": {"default": f"openai:{MODEL}"}, "retries": 0, "max_parallel": 16, "approval": NONE, **options}
    given = Plan.parse(plan(*steps)) if steps else None
    run = await engine.submit("Count me.", mode=mode, options=RunOptions(**values), plan=given)
    await engine.wait(run.id)
    return await engine.view(run.id)


def stopped_for_its_budget(view: RunView) -> bool:
    return view.run.state is RunState.FAILED and (view.run.error or "").startswith(BUDGET_REACHED)


async def test_sixteen_steps_at_once_make_no_call_past_the_ceiling(lab: Lab, server: OpenAIServer) -> None:
    engine = await opened(lab, server)
    view = await carried_out(engine, *SIXTEEN, max_calls=10)
    assert stopped_for_its_budget(view), view.run.error
    assert server.count <= view.cost.calls <= 10
    assert "10 model calls of 10 model calls" in (view.run.error or "")


async def test_tokens_and_money_that_are_reserved_and_not_used_are_for_others(lab: Lab, server: OpenAIServer) -> None:
    """In the worst case two calls would pass the ceilings. They wait for each other, and all is done."""
    engine = await opened(lab, server)
    view = await carried_out(engine, *SIXTEEN, max_tokens=40_000, budget_micro=300_000, max_answer=15_000)
    assert view.run.state is RunState.COMPLETED, view.run.error
    assert server.count == 16 and view.cost.prompt_tokens + view.cost.completion_tokens == 16 * 1_100
    assert all(one.body["max_completion_tokens"] == 15_000 for one in server.requests)


@pytest.mark.parametrize("ceiling", ["max_tokens", "budget_micro"])
async def test_no_token_and_no_money_past_the_ceiling(lab: Lab, server: OpenAIServer, ceiling: str) -> None:
    engine = await opened(lab, server)
    most = {"max_tokens": 11_000, "budget_micro": 40_000}[ceiling]
    view = await carried_out(engine, *SIXTEEN, max_answer=500, **{ceiling: most})
    assert stopped_for_its_budget(view), view.run.error
    spent = {"max_tokens": server.count * 1_100, "budget_micro": server.count * 3_500}[ceiling]  # $2.50 + $10 a million
    assert 0 < spent <= most


async def test_an_unknown_price_counts_against_tokens_and_calls(lab: Lab) -> None:
    with OpenAIServer(models=("home-grown",)) as server:
        server.always(text("Done."))
        engine = await opened(lab, server)
        models = {"default": "openai:home-grown"}
        view = await carried_out(engine, *SIXTEEN[:3], models=models, budget_micro=1, max_calls=2)
        assert stopped_for_its_budget(view) and server.count <= 2
        free = await carried_out(engine, *SIXTEEN[:3], models=models, budget_micro=1)
    assert free.run.state is RunState.COMPLETED and free.cost.unknown_calls == 3


async def test_a_person_is_asked_once_and_raises_the_ceiling(lab: Lab, server: OpenAIServer) -> None:
    engine = await opened(lab, server)
    view = await carried_out(engine, *SIXTEEN[:6], max_calls=3, approval=ON_ERROR)
    assert view.run.state is RunState.WAITING_APPROVAL and server.count == 3
    board = Board.from_view(view)
    (one,) = await engine.approvals()
    assert one.title.startswith("The budget is reached: 3 model calls of 3 model calls are used")
    with pytest.raises(UsageError, match="not an amount"):
        await engine.resolve(one.id, A.APPROVED, feedback="a few more")
    await engine.resolve(one.id, A.APPROVED, feedback="2")
    await engine.wait(view.run.id)
    view = await engine.view(view.run.id)
    assert view.run.state is RunState.WAITING_APPROVAL and server.count == 5
    (again,) = await engine.approvals()
    await engine.resolve(again.id, A.APPROVED)  # as much again: ten
    await engine.wait(view.run.id)
    view = await engine.view(view.run.id)
    assert view.run.state is RunState.COMPLETED, view.run.error
    assert server.count == view.cost.calls == 6
    assert RunOptions.from_json(view.run.options).max_calls == 10
    fold(board, await engine.events(view.run.id, after=board.last_seq, limit=5_000))
    assert words.used(board.cost, board.run.options)[1:] == ["6 of 10 calls"], "who looks on sees it raised"
    assert {attempt.number for attempt in view.attempts} == {1}, "an attempt goes on where it was asked about"


@pytest.mark.parametrize("state", [A.REJECTED, A.ABORT])
async def test_a_person_who_does_not_raise_it_ends_the_run(
    lab: Lab, server: OpenAIServer, state: ApprovalState
) -> None:
    engine = await opened(lab, server)
    view = await carried_out(engine, *SIXTEEN[:3], max_calls=1, approval=ON_ERROR)
    (one,) = await engine.approvals()
    await engine.resolve(one.id, state)
    await engine.wait(view.run.id)
    view = await engine.view(view.run.id)
    assert server.count == 1
    assert stopped_for_its_budget(view) if state is A.REJECTED else view.run.state is RunState.CANCELLED


@pytest.mark.parametrize("raised", [True, False])
async def test_the_planning_is_asked_about_too(lab: Lab, server: OpenAIServer, raised: bool) -> None:
    server.answer(planned(plan(step("one"))), role="planner")
    server.answer(review(), role="plan_reviewer")
    engine = await opened(lab, server)
    view = await carried_out(engine, max_calls=1, approval=ApprovalMode.AFTER_PLANNING)
    (one,) = await engine.approvals()
    assert (view.run.state, one.kind, server.count) == (RunState.WAITING_APPROVAL, "question", 1)
    await engine.resolve(one.id, A.APPROVED if raised else A.REJECTED)
    await engine.wait(view.run.id)
    view = await engine.view(view.run.id)
    if raised:
        assert [one.kind for one in await engine.approvals()] == ["plan"] and server.count == 2
    else:
        assert stopped_for_its_budget(view) and server.count == 1


async def test_what_the_client_tries_again_and_what_the_engine_tries_again_counts(
    lab: Lab, server: OpenAIServer
) -> None:
    server.answer(*[Refused(503, "Maintenance", retry_after=0.01)] * 2, about="Do alpha")
    server.answer(Refused(401, "no"), about="Do beta")
    engine = await opened(lab, server)
    view = await carried_out(engine, step("alpha"), max_calls=2)
    assert stopped_for_its_budget(view) and server.count == view.cost.calls == 2
    failed = await carried_out(engine, step("beta"), max_calls=2)
    assert failed.run.state is RunState.FAILED and failed.cost.calls == 1
    await engine.redo(failed.run.id, "beta")
    await engine.wait(failed.run.id)
    assert (await engine.view(failed.run.id)).run.state is RunState.COMPLETED
    await engine.redo(failed.run.id, "beta")
    await engine.wait(failed.run.id)
    assert stopped_for_its_budget(await engine.view(failed.run.id)) and server.count == 4


async def test_the_next_engine_goes_on_counting(lab: Lab, server: OpenAIServer) -> None:
    """One call was answered and one is being made when the engine is closed: both count."""
    server.answer(call("run_code", filename="a.py", code="print(1)", explanation="a"), Silence(), about="Do s0")
    first = await opened(lab, server)
    options = RunOptions(models={"default": f"openai:{MODEL}"}, max_calls=3, approval=NONE)
    run = await first.submit("Count me.", options=options, plan=Plan.parse(plan(SIXTEEN[0])))
    while server.count < 2:
        await asyncio.sleep(0.01)
    await lab.close(first)
    server.answer(call("run_code", filename="b.py", code="print(2)", explanation="b"), about="Do s0")
    second = await opened(lab, server)
    await second.resume(run.id)
    await second.wait(run.id)
    view = await second.view(run.id)
    assert stopped_for_its_budget(view), (view.run.state, view.run.error)
    assert server.count == view.cost.calls == 3


async def test_the_time_at_work_ends_what_runs(lab: Lab) -> None:
    lab.journal.does("slow", code("import time; time.sleep(600)"), says("done"))
    engine = await lab.engine()
    run = await engine.submit(
        "Wait.", options=lab.options(max_time=0.5, approval=NONE), plan=Plan.parse(plan(step("slow")))
    )
    await engine.wait(run.id)
    view = await engine.view(run.id)
    assert stopped_for_its_budget(view) and states(view)["slow"] == "cancelled"


async def test_a_journal_is_counted_like_any_model(lab: Lab) -> None:
    for one in SIXTEEN:
        lab.journal.does(one["id"], says("done", prompt_tokens=10, completion_tokens=5))
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, *SIXTEEN, max_calls=16, max_tokens=10**6)
    assert run.state is RunState.COMPLETED and view.cost.calls == 16
    run, view = await lab.carry_out(engine, *SIXTEEN, max_calls=15, max_parallel=16)
    assert stopped_for_its_budget(view) and view.cost.calls <= 15


async def test_a_plan_is_shown_with_what_steps_like_its_own_have_cost(lab: Lab, server: OpenAIServer) -> None:
    engine = await opened(lab, server)
    for has_past in (False, True):
        server.answer(planned(plan(step("a"), step("b", "a"))), role="planner")
        server.answer(review(), role="plan_reviewer")
        view = await carried_out(engine, approval=ApprovalMode.AFTER_PLANNING)
        said = view.approvals[0].shown["estimate"]
        assert said == (
            "about $0.007, 2 model calls, 2,200 tokens; "
            "from 4 completed steps of the same agents and models, which are few"
            if has_past
            else "none: no step of these agents and models was completed here before"
        )
        await carried_out(engine, *SIXTEEN[:4])


async def test_a_ceiling_below_any_call_says_how_a_call_can_be_made_smaller(lab: Lab, server: OpenAIServer) -> None:
    engine = await opened(lab, server)
    view = await carried_out(engine, SIXTEEN[0], max_tokens=5_000)
    assert stopped_for_its_budget(view) and server.count == 0
    assert "an answer may have 16,000 tokens: --max-answer lowers that" in (view.run.error or "")
