"""Whatever is on the screen, and however small that is: nothing is obeyed, nothing breaks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from cmbagent_tui.screens.run import RunScreen
from engine.model.plan import Plan
from tests.tui.looking import settles, shows, text_of, until
from tests.tui.seed import Seed, demo_plan

MARKUP = "[bold red]x[/] [/nope] [@click=app.exit]go[/]"
ESCAPES = "\x1b[31mred\x1b[0m \x1b]2;owned\x07 \x9b2J \u202egnp.exe"


def hostile_plan() -> Plan:
    plan = demo_plan()
    first = plan.steps[0]
    evil = {
        "title": f"{MARKUP} {ESCAPES}\nsecond line",
        "instructions": [MARKUP, ESCAPES, "x" * 500, "宇宙" * 60],
        "outputs": [f"data/{MARKUP.replace('/', '')}.csv"],
    }
    data = {**plan.model_dump(mode="json"), "title": f"{MARKUP}{ESCAPES}"}
    data["steps"][0] = {**first.model_dump(mode="json"), **evil}
    return Plan.parse(data)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (20, 5)])
async def test_hostile_text_is_shown_and_not_obeyed(make_app: Any, seed: Seed, size: tuple[int, int]) -> None:
    seed = Seed(seed.store, seed.blobs, title="[red]Is it[/] \ndamped?", plan=hostile_plan())
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        seen = ""
        for key in ("g", "j", "j", "4", "5", "6", "7", "8", "9", "2", "g", "pagedown", "1"):
            await pilot.press(key)
            await pilot.pause()
            seen += text_of(app)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", seen)
        if size[0] >= 80:
            assert "[bold red]x[/] [/nope]" in seen
        lines = text_of(app).splitlines()
        assert len(lines) == size[1]


async def test_hostile_code_and_output_keep_their_brackets(make_app: Any, seed: Seed) -> None:
    await seed.finish(fails="data")
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "✗ failed")
        await pilot.press("7")
        await shows(pilot, "[bold]no[/bold] convergence")


async def test_a_file_name_with_control_characters_is_shown_without_them(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    seed.nodes["data"] = replace(seed.nodes["data"])
    await seed.run_node("data", end=False)
    call = (await seed.store.reads(seed.session.id).events(seed.run.id, limit=500))[-1]
    await seed._file("data", "data/\x1b[2Jevil\u202e.csv", "data", b"a,b\n1,2\n", call)
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "executing")
        await pilot.press("8")
        await shows(pilot, "data/evil.csv")


@pytest.mark.parametrize("stage", ["approve", "finish"])
async def test_resizing_from_huge_to_tiny_and_back_loses_nothing(make_app: Any, seed: Seed, stage: str) -> None:
    await getattr(seed, stage)()
    app = make_app(seed.run.id)
    async with app.run_test(size=(200, 60), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("5")
        await shows(pilot, "5 Plan", "agent")
        await settles(pilot)
        before = text_of(app)
        for size in ((120, 40), (99, 30), (80, 24), (40, 12), (20, 5), (5, 2), (20, 5), (80, 24), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert len(text_of(app).splitlines()) == size[1]
        await until(pilot, lambda: text_of(app) == before, "the same screen again")


async def test_it_is_all_ascii_when_asked_for(make_app: Any, seed: Seed) -> None:
    await seed.finish(fails="fit_damped")
    app = make_app(seed.run.id, ascii_only=True)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "x failed", "x fit_damped", "- compare")
        seen = ""
        for key in ("4", "5", "7", "8", "2", "question_mark", "escape", "A"):
            await pilot.press(key)
            await pilot.pause()
            seen += text_of(app)
        odd = sorted({character for character in seen if ord(character) > 126} - set("χωγ²±"))  # the plan's own
        assert not odd, odd
