"""A `numbers` check within a step: which files its text is compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.model.frames import Limits
from engine.model.plan import Plan
from engine.worker.checks import run_checks


async def judged(
    workdir: Path, *, upstream: Sequence[str] | None, task: str = "", files: Sequence[str] = (), **step: Any
) -> tuple[bool, str]:
    check = {"name": "its numbers", "kind": "numbers", "path": "report.md", "files": files}
    plan = Plan.parse(
        {"title": "t", "steps": [{"id": "s", "title": "s", "agent": "researcher", "checks": [check], **step}]}
    )
    (frame,) = await run_checks(plan.steps[0], workdir, python="", limits=Limits(), upstream=upstream, task=task)
    return frame.ok, frame.detail


def lay(workdir: Path, **files: object) -> None:
    (workdir / "data").mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        place = workdir / ("report.md" if name == "report" else f"data/{name}.json")
        place.write_text(text, encoding="utf-8")


async def test_numbers_are_looked_for_in_what_the_step_builds_on(tmp_path: Path):
    lay(tmp_path, fit={"gamma": 0.13713}, report="γ = 0.137, of 50 points", own={"n": 50})
    assert await judged(tmp_path, upstream=["data/fit.json"]) == (
        False,
        "1 of 2 numbers stand in no file: 50 (line 1)",
    )
    ok, said = await judged(tmp_path, upstream=["data/fit.json"], task="Simulate 50 points.")
    assert ok and said == "each of the 2 numbers stands in data/fit.json, the task"
    assert (await judged(tmp_path, upstream=["data/fit.json"], instructions=["Take 50 points."]))[0]


async def test_what_the_step_itself_declares_as_output_is_no_source(tmp_path: Path):
    lay(tmp_path, fit={"gamma": 0.13713}, report="γ = 0.42", own={"gamma": 0.42})
    outputs = ["report.md", "data/own.json"]
    assert not (await judged(tmp_path, upstream=["data/fit.json", "data/own.json"], outputs=outputs))[0]


async def test_a_step_that_computes_may_quote_what_its_programs_wrote_but_not_itself(tmp_path: Path):
    lay(tmp_path, fit={"gamma": 0.13713}, report="γ = 0.42")
    (tmp_path / "report.py").write_text("print('γ = 0.42')")
    assert not (await judged(tmp_path, upstream=None, outputs=["report.md"]))[0]
    lay(tmp_path, report="γ = 0.14")
    assert (await judged(tmp_path, upstream=None, outputs=["report.md"])) == (
        True,
        "its one number stands in data/fit.json",
    )


async def test_files_that_the_plan_names_are_the_only_ones(tmp_path: Path):
    lay(tmp_path, fit={"gamma": 0.13713}, other={"gamma": 0.42}, report="γ = 0.42")
    every = ["data/fit.json", "data/other.json"]
    assert (await judged(tmp_path, upstream=every))[0]
    assert not (await judged(tmp_path, upstream=every, files=["data/fit.json"]))[0]
    ok, said = await judged(tmp_path, upstream=every, files=["data/gone.json"])
    assert not ok and said.startswith("data/gone.json is not there")


async def test_a_text_with_nothing_behind_it_does_not_hold(tmp_path: Path):
    lay(tmp_path, report="γ = 0.42")
    assert not (await judged(tmp_path, upstream=[]))[0]
