"""A branch takes over what stands before a step, leaves the run that it comes from alone, and goes its own way on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.engine import Engine
from engine.model.errors import CockpitError, UsageError
from engine.model.options import ApprovalMode
from engine.model.plan import Plan
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import Json, plan, says, step, writes


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


async def told(engine: Engine, run_id: str) -> dict[str, str]:
    """What the agent of each step was told first, in the newest attempt."""
    steps = {node.id: node.step for node in (await engine.view(run_id)).nodes}
    messages = await engine.messages(run_id, limit=1000)
    return {steps[one.node_id or ""]: one.content for one in messages if one.role == "user"}


async def test_a_branch_starts_with_variables_of_its_own_which_its_steps_are_told(lab: Lab) -> None:
    for name in ("a", "b", "c"):
        lab.journal.does(name, writes(f"{name}.txt", name), says(f"{name} is done"))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a"), step("b", "a"), step("c", "b"))
    branched = await engine.branch(run.id, "b", name="other", context={"seed": 42, "prior": "flat \x1b[31mred"})
    assert (await engine.wait(branched.id)).state is RunState.COMPLETED
    heard = await told(engine, branched.id)
    assert set(heard) == {"b", "c"}
    assert all('- seed = 42\n- prior = "flat red"' in one for one in heard.values())
    state = await engine.reads(run.session_id).state()
    assert state is not None
    assert (state.version, state.context) == (1, {"seed": 42, "prior": "flat red"})
    again = await engine.branch(branched.id, "c", name="another", context={"seed": 43})
    assert (await engine.wait(again.id)).state is RunState.COMPLETED
    assert "- seed = 43\n- prior" in (await told(engine, again.id))["c"]
    newest = await engine.reads(run.session_id).state()
    assert newest is not None and (newest.version, newest.context["seed"]) == (2, 43)
    # Each step is replayed with what it knew then: `a` with nothing, `b` with 42, `c` with 43.
    lab.journal.path.unlink()
    replay = await engine.replay(again.id, strict=True)
    ended = await engine.wait(replay.id)
    assert ended.state is RunState.COMPLETED, ended.error
    with pytest.raises(UsageError, match="is no name of a variable"):
        await engine.branch(run.id, "b", name="x", context={"2 words": 1})


async def test_a_branch_carries_out_an_edited_plan_and_takes_over_what_it_left_alone(lab: Lab) -> None:
    for name in ("a", "b", "c", "x", "y", "new"):
        lab.journal.does(name, writes(f"{name}.txt", name), says(f"{name} is done"))
    engine = await lab.engine()
    steps = [step("a"), step("x"), step("y", "x"), step("b", "a"), step("c", "b")]
    run, before = await lab.carry_out(engine, *steps)
    edited = [step("a"), step("x", instructions=["Otherwise."]), step("y", "x"), step("b", "a"), step("new", "b", "y")]
    branched = await engine.branch(run.id, "b", name="edited", plan=Plan.parse(plan(*edited)))
    assert (await engine.wait(branched.id)).state is RunState.COMPLETED
    view = await engine.view(branched.id)
    names = {node.id: node.step for node in view.nodes}
    assert {names[one.node_id]: one.reason for one in view.attempts} == {
        "a": "branch",
        "x": "first",
        "y": "first",
        "b": "first",
        "new": "first",
        "terminator": "first",
    }
    assert {one.path for one in view.artifacts} == {"a.txt", "x.txt", "y.txt", "b.txt", "new.txt"}
    assert replace(await engine.view(run.id), session=before.session) == before
    assert "Otherwise." in (await told(engine, branched.id))["x"]


async def test_an_edited_plan_leaves_alone_what_the_step_builds_on(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a"), step("b", "a"))

    async def refused(*steps: Json) -> str:
        with pytest.raises(CockpitError) as raised:
            await engine.branch(run.id, "b", name="no", plan=Plan.parse(plan(*steps)))
        return str(raised.value)

    assert await refused(step("a", instructions=["Else."], outputs=["a.txt"]), step("b", "a")) == (
        "the edited plan changes the instructions and outputs of the step a, which b builds on and which is done\n"
        "Leave a as it is, or branch at a."
    )
    assert "leaves out the step a" in await refused(step("b"))
    assert "has no step b, where the branch begins" in await refused(step("a"))
    assert "unknown agent 'nobody'" in await refused(step("a"), step("b", "a", agent="nobody"))
    assert len(await engine.runs()) == 1, "what is refused writes nothing"


async def test_a_planned_run_is_branched_with_an_edited_plan(lab: Lab) -> None:
    lab.journal.plans(step("a"), step("b", "a"))
    for name in ("a", "b"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    engine = await lab.engine()
    run = await engine.submit("Test.", options=lab.options(approval=ApprovalMode.NONE))
    assert (await engine.wait(run.id)).state is RunState.COMPLETED
    edited = Plan.parse(plan(step("a"), step("b", "a", instructions=["Otherwise."])))
    branched = await engine.branch(run.id, "b", name="edited", plan=edited)
    assert (await engine.wait(branched.id)).state is RunState.COMPLETED
    view = await engine.view(branched.id)
    assert states(view) == dict.fromkeys(("planning", "a", "b", "terminator"), "completed")
    names = {node.id: node.step for node in view.nodes}
    edges = {(names[one.from_node], names[one.to_node]) for one in view.edges}
    assert edges == {("planning", "a"), ("a", "b"), ("b", "terminator")}


async def test_a_run_is_played_again_from_a_step(lab: Lab) -> None:
    for name in ("a", "b", "c"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    engine = await lab.engine()
    run, before = await lab.carry_out(engine, step("a"), step("b", "a"), step("c", "b"))
    played = await engine.play_from(run.id, "b")
    assert (await engine.wait(played.id)).state is RunState.COMPLETED
    view = await engine.view(played.id)
    names = {node.id: node.step for node in view.nodes}
    assert sorted((names[one.node_id], one.reason, one.feedback) for one in view.attempts) == [
        ("a", "branch", None),
        ("b", "first", None),
        ("c", "first", None),
        ("terminator", "first", None),
    ]
    assert (view.run.parent_run_id, view.run.branch_name) == (run.id, "played from b")
    assert replace(await engine.view(run.id), session=before.session) == before
