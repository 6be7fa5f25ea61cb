"""Checks that a person waives or adds: the work stands as it was done, and says what it rests on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.exports import run_json
from engine.model.errors import UsageError
from engine.model.events import EventKind
from engine.model.options import ApprovalMode
from engine.model.plan import Plan
from engine.model.records import Approval, ApprovalState
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import Json, code, plan, says, step
from tests.support.retries import decisions, tries

A, M = ApprovalState, ApprovalMode
SANE = {"name": "x is sane", "kind": "json_value", "path": "x.json", "pointer": "/x", "min": 0, "max": 1}
SMALL = {**SANE, "name": "x is small", "max": 3}
STANDS = [(1, "first", "failed"), (2, "feedback", "completed")]


def fit(*checks: Json) -> Json:
    return step("fit", outputs=["x.json"], checks=list(checks))


def plays(lab: Lab, tmp_path: Path) -> Path:
    """The fit finds 7; were it asked or run again, its second attempt would have no answers, and a second x."""
    ran = tmp_path / "ran"
    source = f"open({str(ran)!r}, 'a').write('x')\nopen('x.json', 'w').write('{{\"x\": 7}}')"
    lab.journal.does("fit", code(source), says("x is 7, which is fine."), attempt=1)
    lab.journal.does("after", says("I went on."))
    return ran


async def begin(lab: Lab, engine: Engine, *steps: Json, **options: Any) -> str:
    run = await engine.submit("Waive it.", options=lab.options(**options), plan=Plan.parse(plan(*steps)))
    await engine.wait(run.id)
    return run.id


async def asked(engine: Engine, kind: str) -> Approval:
    (one,) = await engine.approvals()
    assert one.kind == kind
    return one


def node_of(run: Json, name: str) -> Json:
    return next(one for one in run["nodes"] if one["step"] == name)


async def stands(lab: Lab, engine: Engine, run_id: str, ran: Path, why: str = "", *, by: Engine | None = None) -> None:
    """The step is completed as it was done, and everything that tells of it says what was waived, by whom and why."""
    run = await engine.wait(run_id)
    assert run.state is RunState.COMPLETED, run.error
    view = await engine.view(run_id)
    assert tries(view)["fit"] == STANDS
    assert ran.read_text() == "x", "what has run does not run again"
    told = run_json(view)
    node = node_of(told, "fit")
    who = (by or engine).fleet.name
    said = f"{who}: {why}" if why else who
    assert node["checks"] == [
        {"name": "x is sane", "ok": False, "detail": "x = 7, outside 0 … 1", "waived": True, "waived_by": said}
    ]
    assert node["checked"] == {"declared": 1, "held": 0, "failed": 0, "waived": 1, "unchecked": False}
    assert told["checks"]["waived"] == 1 and node["summary"] == "x is 7, which is fine."
    assert [one["path"] for one in node["artifacts"]][-1:] == ["x.json"]
    events = await engine.events(run_id, node_id=node["id"], limit=1000)
    checks = [one.data.get("waived") for one in events if one.kind is EventKind.CHECK]
    assert checks == [None, said]
    (goes_on,) = [one for one in events if one.kind is EventKind.RETRY and "at" in one.data]
    assert goes_on.data["by"] == who and goes_on.data["waived"] == ["x is sane"]
    assert goes_on.title.startswith(f"fit goes on as it is: {who} waives 'x is sane'")
    done = [one.data["checks"] for one in events if one.data.get("after") == "completed"]
    assert done == [{"held": 0, "failed": 0, "waived": 1}]
    assert Plan.model_validate(view.run.plan).steps[0].checks[0].waived == said


async def test_in_the_approval_of_the_error(lab: Lab, tmp_path: Path) -> None:
    ran = plays(lab, tmp_path)
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE), step("after", "fit"), approval=M.ON_ERROR)
    error = await asked(engine, "error")
    with pytest.raises(UsageError, match="has no check 'x is mad'") as wrong:
        await engine.resolve(error.id, A.MODIFIED, edit={"waive": ["x is mad"]})
    assert wrong.value.hint == "There are: x is sane."
    why = "The range was a guess."
    settled = await engine.resolve(error.id, A.MODIFIED, edit={"waive": ["x is sane"]}, feedback=why)
    assert settled.resolved_by == engine.fleet.name and settled.resolved_at is not None and settled.answer is not None
    assert f"+    waived: {engine.fleet.name}: {why}" in settled.answer["difference"]
    await stands(lab, engine, run_id, ran, why)
    assert states(await engine.view(run_id))["after"] == "completed"


async def test_by_an_edit_of_the_step_that_says_why(lab: Lab, tmp_path: Path) -> None:
    ran = plays(lab, tmp_path)
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE), approval=M.ON_ERROR)
    error = await asked(engine, "error")
    edited = {**error.shown["step"], "checks": [{**error.shown["step"]["checks"][0], "waived": "too narrow"}]}
    await engine.resolve(error.id, A.MODIFIED, edit=edited)
    await stands(lab, engine, run_id, ran, "too narrow")


async def test_once_the_run_has_failed(lab: Lab, tmp_path: Path) -> None:
    ran = plays(lab, tmp_path)
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE), step("after", "fit"))
    assert states(await engine.view(run_id)) == {"fit": "failed", "after": "skipped", "terminator": "skipped"}
    with pytest.raises(UsageError, match="has no check 'x is mad'"):
        await engine.waive(run_id, "fit", ["x is mad"])
    await engine.waive(run_id, "fit", ["x is sane"], why="It is.")
    await stands(lab, engine, run_id, ran, "It is.")
    assert states(await engine.view(run_id)) == dict.fromkeys(("fit", "after", "terminator"), "completed")
    with pytest.raises(UsageError, match="has not failed of a check"):
        await engine.waive(run_id, "fit", ["x is sane"])


async def test_while_it_waits_for_a_person(lab: Lab, tmp_path: Path) -> None:
    ran = plays(lab, tmp_path)
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE), approval=M.ON_ERROR)
    await engine.waive(run_id, "fit", ["x is sane"])
    await stands(lab, engine, run_id, ran)


async def test_what_is_not_waived_still_fails_the_step(lab: Lab, tmp_path: Path) -> None:
    plays(lab, tmp_path)
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE, SMALL))
    await engine.waive(run_id, "fit", ["x is sane"])
    run = await engine.wait(run_id)
    assert run.state is RunState.FAILED
    assert "'x is small' does not hold" in (run.error or "") and "x is sane" not in (run.error or "")
    assert node_of(run_json(await engine.view(run_id)), "fit")["checked"] == {
        "declared": 2, "held": 0, "failed": 1, "waived": 1, "unchecked": False,
    }  # fmt: skip
    await engine.waive(run_id, "fit", ["x is small"])
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    again = [(2, "feedback", "failed"), (3, "feedback", "completed")]
    assert tries(await engine.view(run_id))["fit"] == [*STANDS[:1], *again]


async def test_what_is_edited_besides_is_done_again(lab: Lab, tmp_path: Path) -> None:
    plays(lab, tmp_path)
    lab.journal.does("fit", code("open('x.json', 'w').write('{\"x\": 8}')"), says("x is 8."), attempt=2)
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE), approval=M.ON_ERROR)
    error = await asked(engine, "error")
    edit = {"waive": ["x is sane"], "instructions": ["Take the other half of the data."]}
    await engine.resolve(error.id, A.MODIFIED, edit=edit)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    (check,) = node_of(run_json(await engine.view(run_id)), "fit")["checks"]
    assert check["detail"] == "x = 8, outside 0 … 1" and check["waived"]


async def test_what_failed_otherwise_cannot_be_waived(lab: Lab) -> None:
    lab.journal.does("fit", says("I could not."))
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE))
    with pytest.raises(UsageError, match="has not failed of a check: there is nothing to waive"):
        await engine.waive(run_id, "fit", ["x is sane"])


async def test_a_check_is_added_before_a_step_has_run(lab: Lab, tmp_path: Path) -> None:
    """In the approval of the plan, and in that of the step."""
    plays(lab, tmp_path)
    lab.journal.plans(step("fit", outputs=["x.json"]))
    engine = await lab.engine()
    run = await engine.submit("Add a check.", options=lab.options(approval=M.AFTER_PLANNING))
    await engine.wait(run.id)
    shown = (await asked(engine, "plan")).shown["plan"]
    edited = json.loads(json.dumps(shown))
    edited["steps"][0]["checks"] = [SANE]
    await engine.resolve((await asked(engine, "plan")).id, A.MODIFIED, edit=edited)
    run = await engine.wait(run.id)
    assert run.state is RunState.FAILED and "'x is sane' does not hold" in (run.error or "")

    run_id = await begin(lab, engine, step("fit", outputs=["x.json"]), approval=M.BEFORE_EACH_STEP)
    before = await asked(engine, "step")
    await engine.resolve(before.id, A.MODIFIED, edit={**before.shown["step"], "checks": [SANE]})
    run = await engine.wait(run_id)
    assert run.state is RunState.FAILED and "'x is sane' does not hold" in (run.error or "")


async def test_a_waived_failure_is_no_example_of_how_one_was_resolved(lab: Lab, tmp_path: Path) -> None:
    plays(lab, tmp_path)
    lab.journal.does("fit", says("I leave it."), attempt=2)
    engine = await lab.engine()
    run_id = await begin(lab, engine, fit(SANE))
    await engine.waive(run_id, "fit", ["x is sane"])
    await stands(lab, engine, run_id, tmp_path / "ran")
    run_id = await begin(lab, engine, fit(SANE), retries=1)
    (decision,) = await decisions(engine, run_id)
    assert len(decision.data["told"]["tried"]) == 1 and decision.data["told"]["resolved"] == []
    assert decision.data["chance"]["words"] == "no retry after such a failure is on record"


async def test_who_waives_is_who_asked_and_not_who_drives_the_run(lab: Lab, tmp_path: Path) -> None:
    plays(lab, tmp_path)
    first = await lab.engine(terminal="pts/1")
    run_id = await begin(lab, first, fit(SANE))
    second = await lab.engine(terminal="pts/2", drives=False)
    await second.waive(run_id, "fit", ["x is sane"])
    await stands(lab, first, run_id, tmp_path / "ran", by=second)
    session = (await first.view(run_id)).session.id
    who = {one.who for one in await first.reads(session).history(run_id) if one.why == "waive"}
    assert who == {second.fleet.name} and "pts/2" in second.fleet.name
