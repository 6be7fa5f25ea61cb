"""Redo by a person: what it leaves in the DAG and in the record, and what can be edited before it."""

from __future__ import annotations

import pytest

from engine.engine import Engine
from engine.exports import mermaid, run_json
from engine.model.errors import UsageError
from engine.model.events import EventKind
from engine.model.frames import Program
from engine.model.records import EdgeKind, RunView
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import code, says, step, writes


async def redone(engine: Engine, run_id: str, name: str, **wanted: object) -> RunView:
    """Redo a step, and wait until the run has completed."""
    await engine.redo(run_id, name, **wanted)  # type: ignore[arg-type]
    run = await engine.wait(run_id)
    assert run.state is RunState.COMPLETED, run.error
    return await engine.view(run_id)


async def test_a_redo_stands_in_the_dag_as_a_branch_point_behind_what_the_step_waits_for(lab: Lab) -> None:
    for name in ("a", "b", "c"):
        lab.journal.does(name, writes(f"{name}.txt", name), says(f"{name} is done"))
    engine = await lab.engine()
    run, before = await lab.carry_out(engine, step("a"), step("b", "a"), step("c", "b"))
    view = await redone(engine, run.id, "b", feedback="Take the other column.\nAll of it.")
    view = await redone(engine, run.id, "b")
    ids = {node.step: node.id for node in view.nodes}
    points = [node for node in view.nodes if node.kind == "branch_point"]
    assert [(node.step, node.title, node.state.value) for node in points] == [
        ("redo 1 of b", "Take the other column. All of it.", "completed"),
        ("redo 2 of b", "as before", "completed"),
    ]
    new = {(edge.from_node, edge.to_node, edge.kind) for edge in view.edges if edge not in before.edges}
    assert new == {
        (ids["a"], ids["redo 1 of b"], EdgeKind.SEQUENTIAL),
        (ids["redo 1 of b"], ids["b"], EdgeKind.CONDITIONAL),
        (ids["a"], ids["redo 2 of b"], EdgeKind.SEQUENTIAL),
        (ids["redo 2 of b"], ids["b"], EdgeKind.CONDITIONAL),
    }
    names = {node.id: node.step for node in view.nodes}
    assert sorted((names[one.node_id], one.number, one.reason, one.state.value) for one in view.attempts) == [
        ("a", 1, "first", "completed"),
        *(
            (name, number, "first" if number == 1 else "redo", "completed")
            for name in ("b", "c", "terminator")
            for number in (1, 2, 3)
        ),
    ]
    assert "-.->" in mermaid(view)
    told = {node["step"]: node["depends_on"] for node in run_json(view)["nodes"]}
    assert (told["b"], told["c"], told["redo 1 of b"]) == (["a"], ["b"], ["a"])
    heard = [one for one in await engine.events(run.id, limit=1000) if one.kind is EventKind.NODE]
    assert [one.data["edges"] for one in heard if one.data["step"] == "redo 1 of b"] == [
        [[ids["a"], ids["redo 1 of b"], "sequential"], [ids["redo 1 of b"], ids["b"], "conditional"]]
    ]


async def test_what_comes_before_is_redone_too_without_disturbing_the_branch_points(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a"), step("b", "a"))
    await redone(engine, run.id, "b")
    view = await redone(engine, run.id, "a")
    assert set(states(view).values()) == {"completed"}
    names = {node.id: node.step for node in view.nodes}
    tries = [names[one.node_id] for one in view.attempts]
    assert {name: tries.count(name) for name in tries} == {"a": 2, "b": 3, "terminator": 3}


async def test_edited_instructions_stand_in_the_plan_and_reach_the_agent(lab: Lab) -> None:
    lab.journal.does("a", writes("a.txt", "1"), says("done"))
    engine = await lab.engine()
    run, before = await lab.carry_out(engine, step("a", instructions=["Use column one."]))
    view = await redone(engine, run.id, "a", instructions=["Use column two.", " "], feedback="It is the right one.")
    assert view.run.plan is not None and before.run.plan is not None
    assert view.run.plan["steps"][0]["instructions"] == ["Use column two."]
    told = [one.content for one in await engine.messages(run.id) if one.role == "user"]
    assert ["Use column one." in one for one in told] == [True, False]
    assert "Use column two." in told[1] and "It is the right one." in told[1]
    (event,) = [one for one in await engine.events(run.id, limit=1000) if one.kind is EventKind.RETRY]
    assert event.data["difference"].splitlines() == [
        "@@ -1,2 +1,2 @@",
        " -",
        "-  Use column one.",
        "+  Use column two.",
    ]
    lab.journal.path.unlink()
    replay = await engine.replay(run.id, strict=True)
    assert (await engine.wait(replay.id)).state is RunState.COMPLETED


async def test_an_edited_program_is_what_runs_first_and_the_agent_goes_on_from_what_came_of_it(lab: Lab) -> None:
    lab.journal.does("a", code("open('a.txt', 'w').write('one')", "make.py"), says("It says one."), attempt=1)
    lab.journal.does("a", says("never asked"), says("It says two."), attempt=2)
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a", outputs=["a.txt"]))
    told = await engine.forecast(run.id, "a")
    assert told.program == Program(file="codebase/make.py", code="open('a.txt', 'w').write('one')")
    own = Program(file=told.program.file, code="open('a.txt', 'w').write('two')")
    view = await redone(engine, run.id, "a", program=own)
    last = view.attempts[-2]
    assert (last.number, last.summary) == (2, "It says two.")
    assert [engine.blob(one.sha256) for one in view.artifacts if one.path == "a.txt"] == [b"one", b"two"]
    # The answer of the person is in the journal like a model's: a replay gives it again.
    lab.journal.path.unlink()
    replay = await engine.replay(run.id, strict=True)
    assert (await engine.wait(replay.id)).state is RunState.COMPLETED
    assert {one.path: one.likeness for one in (await engine.comparison(replay.id)).files} == {  # type: ignore[union-attr]
        "a.txt": "identical",
        "codebase/make.py": "identical",
    }


async def test_what_cannot_be_carried_out_is_refused_and_stops_nothing(lab: Lab) -> None:
    lab.journal.does("a", writes("a.txt", "1"), says("done"))
    engine = await lab.engine()
    run, before = await lab.carry_out(engine, step("a"))
    with pytest.raises(UsageError, match="the edited instructions of a say nothing"):
        await engine.redo(run.id, "a", instructions=[" "])
    with pytest.raises(UsageError, match="a ran no program that could be edited"):
        await engine.redo(run.id, "a", program=Program(file="codebase/a.py", code="1"))
    assert await engine.view(run.id) == before


async def test_a_program_that_is_not_python_is_refused_with_its_line(lab: Lab) -> None:
    lab.journal.does("a", code("print(1)", "a.py"), says("done"))
    engine = await lab.engine()
    run, before = await lab.carry_out(engine, step("a"))
    with pytest.raises(UsageError, match="the edited program is not Python: line 2"):
        await engine.redo(run.id, "a", program=Program(file="codebase/a.py", code="x = 1\nfor"))
    with pytest.raises(UsageError, match="leads outside"):
        await engine.redo(run.id, "a", program=Program(file="../a.py", code="x = 1"))
    assert await engine.view(run.id) == before


async def test_a_forecast_says_what_goes_back_what_it_cost_and_what_is_left(lab: Lab) -> None:
    for name in ("a", "b", "x"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a", instructions=["Go."]), step("b", "a"), step("x"), max_redos=1)
    told = await engine.forecast(run.id, "a")
    assert [(one.node.step, one.attempts) for one in told.renewed] == [("a", 1), ("b", 1)]
    assert (told.left, told.most, told.refused, told.instructions) == (1, 1, "", ("Go.",))
    await redone(engine, run.id, "a")
    told = await engine.forecast(run.id, "a")
    assert (told.left, [one.attempts for one in told.renewed]) == (0, [2, 2])
    assert "max_redos, 1, is reached" in told.refused
    assert (await engine.forecast(run.id, "b")).left == 1, "what was done again with another step was not redone itself"


async def test_a_branch_of_a_run_with_redos_begins_with_none(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    engine = await lab.engine()
    run, _ = await lab.carry_out(engine, step("a"), step("b", "a"), max_redos=1)
    await redone(engine, run.id, "a")
    await redone(engine, run.id, "b")
    branched = await engine.branch(run.id, "b", name="other")
    assert (await engine.wait(branched.id)).state is RunState.COMPLETED
    assert set(states(await engine.view(branched.id))) == {"a", "b", "terminator"}
    assert (await engine.forecast(branched.id, "b")).left == 1
