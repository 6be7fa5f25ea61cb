"""A branch takes over what stands before a step, leaves the run that it comes from alone, and goes its own way on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model.errors import UsageError
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import says, step, writes


async def test_a_branch_goes_on_from_a_step_and_the_run_it_comes_from_stays_as_it_was(lab: Lab) -> None:
    for name in ("a", "b", "c", "x"):
        lab.journal.does(name, writes(f"{name}.txt", name), says(f"{name} is done"))
    engine = await lab.engine()
    run, before = await lab.carry_out(engine, step("a"), step("b", "a"), step("c", "b"), step("x"))
    branched = await engine.branch(run.id, "b", name="other way", hypothesis="b is wrong", feedback="Think again.")
    assert (await engine.wait(branched.id)).state is RunState.COMPLETED
    after = await engine.view(run.id)
    assert replace(after, session=before.session) == before
    view = await engine.view(branched.id)
    assert (view.run.parent_run_id, view.run.branch_name, view.run.hypothesis) == (run.id, "other way", "b is wrong")
    assert view.run.parent_node_id == next(one.id for one in before.nodes if one.step == "b")
    names = {node.id: node.step for node in view.nodes}
    assert sorted((names[one.node_id], one.reason) for one in view.attempts) == [
        ("a", "branch"),
        ("b", "first"),
        ("c", "first"),
        ("terminator", "first"),
        ("x", "branch"),
    ]
    assert {one.path for one in view.artifacts} == {"a.txt", "b.txt", "c.txt", "x.txt"}
    told = [one.content for one in await engine.messages(branched.id) if one.role == "user"]
    assert any("Think again." in one for one in told)
    assert states(view) == states(before)


async def test_a_branch_of_a_branch_builds_on_it(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a"), step("b", "a"))
    first = await engine.branch(run.id, "b", name="first")
    await engine.wait(first.id)
    second = await engine.branch(first.id, "b", name="second")
    assert (await engine.wait(second.id)).state is RunState.COMPLETED
    assert second.parent_run_id == first.id


async def test_a_branch_needs_a_complete_beginning(lab: Lab) -> None:
    lab.journal.does("a", says("I wrote nothing"))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a", outputs=["a.txt"]), step("b", "a"))
    assert run.state is RunState.FAILED
    with pytest.raises(UsageError, match="a, which it builds on, is not completed"):
        await engine.branch(run.id, "b", name="no")
    with pytest.raises(UsageError, match="a branch needs a name"):
        await engine.branch(run.id, "a", name=" ")
