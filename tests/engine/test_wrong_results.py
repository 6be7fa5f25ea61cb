"""Results that are wrong without an error: no model's word but a check decides, the step has failed, its agent is told
why, and it is done when the result is right. What is right at once raises no alarm."""

from __future__ import annotations

from engine import exports
from engine.model.events import EventKind, Phase
from engine.model.records import RunView
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import Json, code, says, step
from tests.support.retries import TWICE, decisions, last_told, tries
from tests.support.wrong import CASES, SOURCE, Case, asserts

_CHECK = EventKind.CHECK
PARALLEL = 4


def plan_of(name: str, case: Case) -> Json:
    """The step of a case, in the plan's form."""
    checks = [case.check, *case.more]
    return step(name, *case.needs, agent=case.agent, outputs=list(case.outputs), checks=checks)


def source(lab: Lab) -> Json:
    """The step that some others read from."""
    lab.journal.does("source", code(SOURCE), says("The data are there."))
    return step("source", outputs=["data/measured.csv", "data/fit.json"])


def by_step(view: RunView, name: str) -> Json:
    return next(node for node in exports.run_json(view)["nodes"] if node["step"] == name)


async def test_every_wrong_result_fails_its_step_and_is_mended_by_a_right_one(lab: Lab) -> None:
    assert len(CASES) >= 12
    for name, case in CASES.items():
        lab.journal.does(name, *case.answers(case.wrong), agent=case.agent, attempt=1)
        lab.journal.does(name, *case.answers(case.right), agent=case.agent, attempt=2)
    steps = [source(lab), *(plan_of(name, case) for name, case in CASES.items())]
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, *steps, retries=1, max_parallel=PARALLEL)
    assert run.state is RunState.COMPLETED, run.error
    told = {one.node_id: one.data for one in await decisions(engine, run.id)}
    for name, case in CASES.items():
        node = by_step(view, name)
        assert tries(view)[name] == TWICE, name
        first = next(one for one in view.attempts if one.node_id == node["id"] and one.number == 1)
        verdicts = {check.name: (check.ok, check.detail) for check in first.checks}
        ok, detail = verdicts[case.check["name"]]
        assert not ok and case.told in detail, (name, detail)
        assert all(verdicts[one["name"]][0] for one in case.more), name
        assert first.summary == "It is done, and the result is plausible.", "its agent was sure"
        assert told[node["id"]]["kind"] == "check_failed", name
        assert detail in await last_told(engine, run.id, node["id"]), f"{name}: the next attempt is told what was found"
        assert all(check["ok"] for check in node["checks"]), name
        assert node["checked"] == {
            "declared": 1 + len(case.more), "held": 1 + len(case.more), "failed": 0, "waived": 0, "unchecked": False,
        }  # fmt: skip
    assert by_step(view, "source")["checked"]["unchecked"]
    await in_order(lab, view)


async def in_order(lab: Lab, view: RunView) -> None:
    """Checks are looked at once the agent has said that it is done, and before the step is."""
    events = await (await lab.engine(drives=False)).events(view.run.id, limit=10_000)
    for name in CASES:
        node = next(one.id for one in view.nodes if one.step == name)
        mine = [one for one in events if one.node_id == node]
        for attempt in {one.attempt_id for one in mine if one.kind is _CHECK}:
            kinds = [(one.kind, one.phase) for one in mine if one.attempt_id == attempt]
            first = kinds.index((_CHECK, Phase.POINT))
            ends = [place for place, one in enumerate(kinds) if one == (EventKind.MODEL_CALL, Phase.END)]
            assert max(ends) < first, name
        done = next(one.seq for one in mine if one.data.get("after") == "completed")
        assert max(one.seq for one in mine if one.kind is _CHECK) < done, name


async def test_right_results_raise_no_alarm(lab: Lab) -> None:
    for name, case in CASES.items():
        lab.journal.does(name, *case.answers(case.right), agent=case.agent)
    steps = [source(lab), *(plan_of(name, case) for name, case in CASES.items())]
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, *steps, retries=1, max_parallel=PARALLEL)
    assert run.state is RunState.COMPLETED, run.error
    assert all(found == [(1, "first", "completed")] for name, found in tries(view).items()), tries(view)
    assert not await decisions(engine, run.id)
    checks = await engine.events(run.id, kinds=[_CHECK], limit=1000)
    assert len(checks) == sum(1 + len(case.more) for case in CASES.values())
    assert all(one.data["ok"] for one in checks), [one.data for one in checks if not one.data["ok"]]
    assert exports.run_json(view)["checks"] == {
        "declared": len(checks), "held": len(checks), "failed": 0, "waived": 0, "unchecked": 1,
    }  # fmt: skip


async def test_what_stays_wrong_fails_with_what_builds_on_it_and_says_what_was_found(lab: Lab) -> None:
    for name in ("factor_two", "off_by_one"):
        lab.journal.does(name, *CASES[name].answers(CASES[name].wrong))
    lab.journal.does("good", *CASES["units"].answers(CASES["units"].right))
    steps = [plan_of(name, CASES[name]) for name in ("factor_two", "off_by_one")]
    good = {**plan_of("good", CASES["units"]), "id": "good"}
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, *steps, good, step("after", "factor_two"), retries=1, max_parallel=PARALLEL)
    assert run.state is RunState.FAILED
    assert states(view) | {"planning": "", "terminator": ""} == {
        "planning": "", "factor_two": "failed", "off_by_one": "failed", "good": "completed", "after": "skipped",
        "terminator": "",
    }  # fmt: skip
    assert "the check 'the energy is m v²/2' does not hold: energy = 18" in (run.error or "")
    assert by_step(view, "factor_two")["checked"]["failed"] == 1
    assert [one[2] for one in tries(view)["off_by_one"]] == ["failed", "failed"]


async def test_data_that_are_not_there_are_not_invented(lab: Lab) -> None:
    """What invents them is caught, and what says that they are missing fails by naming them."""
    given = asserts(
        "it is made from the data that were given",
        'import os\nassert os.path.exists("data/data.csv"), "data/data.csv was never there"',
    )
    invents = CASES["invented_data"].wrong.replace("data/measurement.csv", "data/data.csv")
    lab.journal.does("plot", code(invents), says("The mean of the data is 10."), attempt=1)
    lab.journal.does("plot", code("open('data/data.csv')"), says("data/data.csv is not there."), attempt=2)
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, step("plot", outputs=["out.json"], checks=[given]), retries=1)
    assert run.state is RunState.FAILED and "data/data.csv" in (run.error or "")
    first, second = sorted(view.attempts, key=lambda one: one.number)
    assert "data/data.csv was never there" in (first.error or "")
    assert "No such file or directory: 'data/data.csv'" in (second.error or "") and not second.checks
