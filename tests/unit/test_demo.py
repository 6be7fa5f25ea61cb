"""The shipped session: its journal is what its sources say, its code really runs, and its checks catch a lie."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cmbagent_tui.demos import build, demo, names
from engine.model.errors import UsageError
from engine.model.frames import CheckFrame, Limits, ScriptedAnswer
from engine.model.plan import Plan
from engine.model.records import Mode
from engine.worker.checks import run_checks

AGENTS = {"engineer", "researcher"}


def answers() -> list[ScriptedAnswer]:
    lines = demo().script.read_text(encoding="utf-8").splitlines()
    return [ScriptedAnswer.model_validate_json(line) for line in lines[1:]]


def final_plan() -> Plan:
    said = [answer.content for answer in answers() if answer.agent == "planner"]
    return Plan.parse(said[-1] or "")


def carried_out(step: str, workdir: Path) -> list[int]:
    """Do what the step's agent says; the exit codes of its programs."""
    exits: list[int] = []
    for call in (call for answer in answers() if answer.step == step for call in answer.tool_calls):
        if call.name == "run_code":
            file = workdir / "codebase" / call.arguments["filename"]
            file.parent.mkdir(exist_ok=True)
            file.write_text(call.arguments["code"])
            ran = subprocess.run(
                [sys.executable, file.relative_to(workdir)], cwd=workdir, capture_output=True, text=True, check=False
            )
            exits.append(ran.returncode)
        elif call.name == "write_text":
            (workdir / call.arguments["path"]).write_text(call.arguments["text"], encoding="utf-8")
    return exits


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[int]]]:
    """A directory in which all steps were carried out, and how the programs of each ended."""
    workdir = tmp_path_factory.mktemp("demo")
    return workdir, {step.id: carried_out(step.id, workdir) for step in final_plan().steps}


async def checked(step: str, workdir: Path) -> tuple[CheckFrame, ...]:
    (found,) = (one for one in final_plan().steps if one.id == step)
    return await run_checks(found, workdir, python=sys.executable, limits=Limits())


@pytest.mark.parametrize("name", names())
def test_the_journal_is_what_the_sources_say(name: str):
    assert demo(name).script.read_text(encoding="utf-8") == build.journal(demo(name)), (
        "run: python -m cmbagent_tui.demos.build"
    )


def test_the_journal_says_what_it_is():
    header = json.loads(demo().script.read_text(encoding="utf-8").splitlines()[0])
    assert header["journal"] == 1
    assert header["title"] == demo().title
    assert "Hand-written" in header["note"]
    assert "'oscillator'" in demo().notice


def test_it_can_be_started():
    assert demo() is demo(names()[0])
    assert Mode(demo().mode) is Mode.PLANNING_CONTROL
    assert demo().model == f"journal:{demo().script}"


def test_an_unknown_demo_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError, match="no demo 'pendulum'") as caught:
        demo("pendulum")
    assert "oscillator" in caught.value.hint


def test_both_plans_can_run_and_the_last_has_steps_side_by_side():
    plans = [Plan.parse(answer.content or "") for answer in answers() if answer.agent == "planner"]
    assert len(plans) == 2
    for plan in plans:
        plan.require(AGENTS)
    needs = [step.depends_on for step in plans[-1].steps]
    assert len(plans[-1].steps) >= 6
    assert needs.count(("data",)) == 2
    assert needs.count(("fit_undamped", "fit_damped")) == 3
    assert all(step.checks and step.outputs for step in plans[-1].steps)


def test_every_step_has_answers_numbered_from_one_by_its_own_agent_and_an_end():
    for step in final_plan().steps:
        said = [answer for answer in answers() if answer.step == step.id]
        assert {answer.agent for answer in said} == {step.agent}
        assert [answer.sequence for answer in said] == list(range(1, len(said) + 1))
        assert all(answer.tool_calls for answer in said[:-1])
        assert said[-1].content
        assert not said[-1].tool_calls


def test_it_can_be_followed_by_eye_and_does_not_dawdle():
    total = sum(answer.delay for answer in answers())
    assert all(0.3 <= answer.delay <= 3 for answer in answers())
    assert total < 30


def test_answers_name_no_number_before_it_is_measured():
    for answer in answers():
        if answer.agent in AGENTS:
            assert not re.search(r"\d\.\d", answer.content or ""), answer.content


def test_one_program_fails_at_first_and_is_mended(finished: tuple[Path, dict[str, list[int]]]):
    _, exits = finished
    assert exits == {
        "data": [0],
        "fit_undamped": [1, 0],
        "fit_damped": [0],
        "compare": [0],
        "residuals": [0],
        "figure": [0],
        "report": [],
    }


@pytest.mark.parametrize("step", [step.id for step in final_plan().steps])
async def test_the_checks_of_a_step_hold(finished: tuple[Path, dict[str, list[int]]], step: str):
    workdir, _ = finished
    found = await checked(step, workdir)
    assert [frame for frame in found if not frame.ok] == []
    (declared,) = (one for one in final_plan().steps if one.id == step)
    assert all((workdir / output).stat().st_size for output in declared.outputs)


def test_the_fits_find_what_was_generated(finished: tuple[Path, dict[str, list[int]]]):
    workdir, _ = finished
    found = json.loads((workdir / "data/comparison.json").read_text())
    assert (round(found["undamped"]["chi2"], 1), found["undamped"]["dof"]) == (112.9, 48)
    assert (round(found["damped"]["chi2"], 1), found["damped"]["dof"]) == (51.8, 47)
    gamma, error = found["damped"]["parameters"]["gamma"], found["damped"]["errors"]["gamma"]
    assert (round(gamma, 3), round(error, 3)) == (0.137, 0.018)


@pytest.mark.parametrize(
    ("written", "lie", "caught"),
    [
        ("| 112.9 / 48 |", "| 110.9 / 48 |", "the table says what was measured"),
        ("γ = 0.137 ± 0.018", "γ = 0.141 ± 0.018", "no number in it is made up"),
        ("5.6e-15", "5.6e-25", "no number in it is made up"),
        ("data/oscillator.png", "data/other.png", "it shows the figure"),
        ("**Yes.**", "**No.**", "it answers the question"),
    ],
)
async def test_a_report_that_says_something_else_fails_the_step(
    finished: tuple[Path, dict[str, list[int]]], tmp_path: Path, written: str, lie: str, caught: str
):
    (tmp_path / "data").symlink_to(finished[0] / "data")
    text = (finished[0] / "report.md").read_text(encoding="utf-8")
    assert written in text
    (tmp_path / "report.md").write_text(text.replace(written, lie), encoding="utf-8")
    failed = [frame.name for frame in await checked("report", tmp_path) if not frame.ok]
    assert caught in failed
