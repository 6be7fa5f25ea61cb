"""A run that a person steers, turn by turn."""

from __future__ import annotations

from typing import Any

import pytest

from engine.engine import Engine
from engine.model.errors import UsageError
from engine.model.options import ApprovalMode
from engine.model.records import Approval, ApprovalState, Mode, RunView
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import says, writes

A = ApprovalState


async def begin(lab: Lab, engine: Engine, **how: Any) -> str:
    run = await engine.submit("Find it out.", options=lab.options(**how.pop("options", {})), **how)
    await engine.wait(run.id)
    return run.id


async def turn(engine: Engine, run_id: str, kind: str = "question") -> Approval:
    (one,) = await engine.approvals()
    assert (one.run_id, one.kind) == (run_id, kind)
    return one


async def answer(engine: Engine, approval: Approval, state: ApprovalState, **more: Any) -> RunView:
    await engine.resolve(approval.id, state, **more)
    await engine.wait(approval.run_id)
    return await engine.view(approval.run_id)


async def test_a_person_gives_each_turn_sees_its_answer_and_ends_the_run(lab: Lab) -> None:
    lab.journal.does("turn1", writes("data/a.txt", "1"), says("I drew one number."))
    lab.journal.does("turn2", says("It is small."), agent="researcher", attempt=1)
    lab.journal.does("turn2", says("It is one."), agent="researcher", attempt=2)
    engine = await lab.engine()
    run_id = await begin(lab, engine, mode=Mode.HUMAN_IN_THE_LOOP)
    first = await turn(engine, run_id)
    assert first.shown["turn"] == 1 and set(first.shown["agents"]) == {"engineer", "researcher"}
    for wrong, edit, said in (
        (A.RETRY, None, "cannot be settled as retry"),
        (A.MODIFIED, None, "has no instruction"),
        (A.MODIFIED, {"agent": "nobody", "instruction": "x"}, "there is no agent 'nobody'"),
    ):
        with pytest.raises(UsageError, match=said):
            await engine.resolve(first.id, wrong, edit=edit)
    await answer(engine, first, A.MODIFIED, feedback="Draw a number.")
    second = await turn(engine, run_id)
    assert second.shown["done"] == [
        {"turn": "Draw a number.", "agent": "engineer", "said": "I drew one number.", "files": ["data/a.txt"]}
    ]
    await answer(engine, second, A.MODIFIED, edit={"agent": "researcher", "instruction": "Say what it is."})
    third = await turn(engine, run_id)
    assert third.shown["done"][-1]["said"] == "It is small." and third.shown["next"]["agent"] == "researcher"
    await answer(engine, third, A.RETRY, feedback="Be exact.")
    again = await turn(engine, run_id)
    assert again.shown["done"][-1]["said"] == "It is one."
    view = await answer(engine, again, A.APPROVED)
    assert view.run.state is RunState.COMPLETED
    assert states(view) == dict.fromkeys(["you1", "turn1", "you2", "turn2", "you3", "terminator"], "completed")
    told = "\n".join(one.content for one in await engine.messages(run_id) if one.role == "user")
    assert "Draw a number." in told and "I drew one number." in told and "Be exact." in told
    replay = await engine.replay(run_id)
    assert (await engine.wait(replay.id)).state is RunState.COMPLETED


async def test_a_turn_that_fails_is_asked_about_and_can_be_skipped(lab: Lab) -> None:
    lab.journal.does("turn1", writes("a.txt", "1"), says("done")).does("turn3", says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, options={"approval": ApprovalMode.MANUAL})
    assert (await engine.view(run_id)).run.mode is Mode.HUMAN_IN_THE_LOOP
    await answer(engine, await turn(engine, run_id), A.MODIFIED, feedback="One.")
    await answer(engine, await turn(engine, run_id), A.MODIFIED, feedback="The journal knows no answer to this.")
    error = await turn(engine, run_id, "error")
    await answer(engine, error, A.SKIP)
    await answer(engine, await turn(engine, run_id), A.MODIFIED, feedback="Three.")
    view = await answer(engine, await turn(engine, run_id), A.APPROVED)
    assert view.run.state is RunState.COMPLETED and states(view)["turn2"] == "skipped"
    (done,) = [one for one in await engine.messages(run_id) if one.role == "user" and "Three." in one.content]
    assert "a.txt" in done.content, "it starts from what the last turn that counts has left"


async def test_turns_outlive_the_process_and_can_be_given_up(lab: Lab) -> None:
    lab.journal.does("turn1", says("done"))
    first = await lab.engine()
    run_id = await begin(lab, first, mode=Mode.HUMAN_IN_THE_LOOP)
    asks = await turn(first, run_id)
    await lab.close(first)
    looking = await lab.engine(drives=False)
    await looking.resolve(asks.id, A.MODIFIED, feedback="Go.")
    await lab.close(looking)
    second = await lab.engine()
    assert await second.take_over() == [run_id]
    await second.wait(run_id)
    view = await answer(second, await turn(second, run_id), A.ABORT)
    assert view.run.state is RunState.CANCELLED and states(view)["turn1"] == "completed"
