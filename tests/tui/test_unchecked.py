"""That a step ran does not say that its result is right: what rests on no check, or on a waived one, says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cmbagent_tui.commands.report import dag_lines, run_lines
from cmbagent_tui.state.board import Board
from cmbagent_tui.widgets.dag.view import DagView
from engine import exports
from engine.engine import Engine
from engine.model.records import CheckResult, RunView
from tests.tui.looking import shows
from tests.tui.seed import Seed

WIDE = (140, 50)


def without_checks(seed: Seed, *steps: str) -> Seed:
    """A run whose plan declares no check for these steps."""
    given = [one.model_copy(update={"checks": ()}) if one.id in steps else one for one in seed.plan.steps]
    return Seed(seed.store, seed.blobs, number=2, plan=seed.plan.model_copy(update={"steps": tuple(given)}))


def waive(view: RunView, step: str) -> RunView:
    """The view as it would be, had a person waived the step's check, and had that failed."""
    node = next(one.id for one in view.nodes if one.step == step)
    failed = (CheckResult("chi2 is sane", False, "it is 7.3", waived="ada: the truth is not known"),)
    attempts = [replace(one, checks=failed) if one.node_id == node else one for one in view.attempts]
    return replace(view, attempts=tuple(attempts))


async def test_the_run_screen_says_it_in_the_dag_in_the_detail_and_in_the_end(make_app: Any, seed: Seed) -> None:
    seed = without_checks(seed, "report")
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps, 1 unchecked", "1 completed step is unchecked: no check was declared.")
        await shows(pilot, "□ report unchecked", "✓ data")
        app.screen.query_one(DagView).select(seed.nodes["report"].id, by_hand=True)
        await pilot.press("4")
        await shows(pilot, "□ completed, unchecked", "unchecked  its own word is all there is")
        await pilot.press("3")
        await shows(pilot, "report completed, unchecked")


async def test_the_report_counts_it_and_the_json_says_it(engine: Engine, seed: Seed) -> None:
    seed = without_checks(seed, "report", "data")
    await seed.finish()
    view = await engine.view(seed.run.id)
    told = "\n".join(run_lines(view))
    assert "□ report           unchecked" in told and "✓ fit_damped       completed" in told
    assert told.count("unchecked") == 3 and "2 completed steps are unchecked: no check was declared." in told
    assert "□ report           unchecked" in "\n".join(dag_lines(view))
    run = exports.run_json(view)
    nodes = {node["step"]: node for node in run["nodes"]}
    assert nodes["report"]["checked"] == {"declared": 0, "held": 0, "failed": 0, "waived": 0, "unchecked": True}
    declared = len(next(one.checks for one in seed.plan.steps if one.id == "fit_damped"))
    assert nodes["fit_damped"]["checked"] == {
        "declared": declared, "held": 1, "failed": 0, "waived": 0, "unchecked": False,
    }  # fmt: skip
    assert not nodes["planning"]["checked"]["unchecked"] and not nodes["terminator"]["checked"]["unchecked"]
    assert run["checks"]["unchecked"] == 2 and run["checks"]["held"] == 5
    assert "Write the report (completed, unchecked)" in exports.mermaid(view).replace("#40;", "(").replace("#41;", ")")
    assert "completed, unchecked" in exports.dot(view)


async def test_what_a_person_waived_is_shown_as_waived(engine: Engine, seed: Seed) -> None:
    await seed.finish()
    view = waive(await engine.view(seed.run.id), "report")
    told = "\n".join(run_lines(view))
    assert "◧ report           waived" in told
    assert "    waived by ada: the truth is not known: chi2 is sane: it is 7.3" in told
    assert "1 failed check was waived." in told
    run = exports.run_json(view)
    (report,) = (node for node in run["nodes"] if node["step"] == "report")
    why = {"waived": True, "waived_by": "ada: the truth is not known"}
    assert report["checks"] == [{"name": "chi2 is sane", "ok": False, "detail": "it is 7.3", **why}]
    assert report["checked"]["waived"] == 1 and report["checked"]["failed"] == 0 == run["checks"]["failed"]
    assert Board.from_view(view).waived() == 1 and Board.from_view(view).unchecked() == 0
    assert "completed, 1 waived" in exports.dot(view)


async def test_a_failed_step_is_no_unchecked_one(engine: Engine, seed: Seed) -> None:
    await seed.finish("fit_damped")
    view = await engine.view(seed.run.id)
    assert Board.from_view(view).unchecked() == 0
    assert exports.run_json(view)["checks"]["unchecked"] == 0
