"""Two runs beside each other: opened from the branch tree and the palette, by parts, either way round."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cmbagent_tui.screens.branch_tree import BranchTreeScreen
from cmbagent_tui.screens.compare import CompareScreen
from cmbagent_tui.screens.run import RunScreen
from engine.model.changes import Add
from engine.model.plan import Plan
from engine.model.records import Run
from engine.model.states import RunState
from engine.runs.moves import engine
from tests.tui.branch_seed import ESCAPES, branch_of, run_of, seeded_tree
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import Seed, demo_plan

SIZE = (120, 60)


@pytest.fixture
async def tree(seed: Seed) -> list[Run]:
    return await seeded_tree(seed)


async def to_tree(pilot: Any) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.board)
    await pilot.press("T")
    await shows(pilot, "6 runs, 3 branches, 1 replay")


async def test_a_branch_beside_the_run_that_it_comes_from(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[1].id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await to_tree(pilot)
        await pilot.press("D")
        await shows(pilot, "run 00000001 with run 00000002", "Files, 00000001 to 00000002", "identical")
        seen = text_of(app)
        assert "branches off 00000001" in seen and "The damping grows with the amplitude." in seen
        assert "✗ failed" in seen and "heavier damping" in seen and "6/7, 1 failed" in seen
        steps = [line for line in seen.splitlines() if line.strip().startswith("report ")]
        assert re.search(r"report +✓ completed in [\d.]+s  \$0.0022 +✗ failed in", steps[0])
        (differs,) = [line for line in seen.splitlines() if "DIFFERS" in line and "codebase/report.py" in line]
        assert "report" in differs
        assert "alike is: numbers within rtol 1e-06" in seen and "identical" in seen
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BranchTreeScreen))


async def test_the_parts_of_it_by_key(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[1].id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await to_tree(pilot)
        await pilot.press("D")
        await shows(pilot, "fit_undamped", "DIFFERS", "branches off")
        await pilot.press("2")
        await hides(pilot, "identical  codebase")
        await shows(pilot, "1 of 7 differ", "report", "DIFFERS", "branches off")
        await pilot.press("l")
        await hides(pilot, "DIFFERS")
        await shows(pilot, "fit_undamped")
        await pilot.press("right")
        await shows(pilot, "DIFFERS", "identical")
        assert "branches off" not in text_of(app)
        await pilot.press("1", "s")
        await shows(pilot, "run 00000002 with run 00000001", "Files, 00000002 to 00000001")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.run_id == tree[0].id)
        assert len(app.screen_stack) == 2


async def test_any_two_runs_by_a_mark(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[0].id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await to_tree(pilot)
        await pilot.press("D")
        await shows(pilot, "Mark the run to compare it with first: m on that one.")
        await pilot.press("m")
        await shows(pilot, "▸●", "that you came from, marked", "this run marked")
        await pilot.press("D")
        await shows(pilot, "This is the marked run itself")
        await pilot.press("j", "j", "j", "D")
        await shows(pilot, "run 00000001 with run 00000004", "a replay of 00000001")
        await pilot.press("2")
        await shows(pilot, "Every step came to the same end.", "No file differs.")
        await pilot.press("escape")
        await shows(pilot, "▸●")
        await pilot.press("g", "m")
        await hides(pilot, "●")


async def test_from_the_palette_of_a_run(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[1].id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        app.open_run(tree[3].id)
        await until(pilot, lambda: app.screen.run_id == tree[3].id and app.screen.board)
        await pilot.press("ctrl+p", *"compare this run")
        await shows(pilot, "with 00000001, which it comes from", "with 00000002: Is this oscillator damped?")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await shows(pilot, "run 00000001 with run 00000004", "a replay of 00000001")


async def test_what_goes_on_is_compared_again_by_key(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    other = branch_of(seed, 2, "data", "slowly")
    await other.begin()
    app = make_app(other.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("T")
        await shows(pilot, "2 runs")
        await pilot.press("D")
        await shows(pilot, "◉ planning", "slowly", "no plan", "no such step", "MISSING", "not over")
        await other._move_run(RunState.FAILED, engine("it got stuck"), "it got stuck")
        await pilot.press("r")
        await shows(pilot, "✗ failed", "slowly")


async def test_two_runs_without_anything_say_so(make_app: Any, seed: Seed) -> None:
    other = run_of(seed, 2)
    await seed.store.commit(Add(seed.session), Add(seed.run), Add(other.run))
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("T")
        await shows(pilot, "2 runs")
        await pilot.press("m", "j", "D")
        await shows(pilot, "Neither has a plan.", "Neither has a file.", "not begun")


async def test_its_help_is_made_of_its_keys(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[1].id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await to_tree(pilot)
        await pilot.press("D")
        await shows(pilot, "branches off")
        await pilot.press("question_mark")
        await shows(pilot, "Comparing runs", *(one.tooltip for one in CompareScreen.BINDINGS))  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (20, 5), (1, 1)])
async def test_hostile_names_are_shown_and_not_obeyed(make_app: Any, seed: Seed, size: tuple[int, int]) -> None:
    data = demo_plan().model_dump(mode="json")
    data["steps"][0]["title"] = f"{ESCAPES}\n[b]title[/b]"
    first = Seed(seed.store, seed.blobs, title=f"{ESCAPES}[i]title[/i]", plan=Plan.parse(data))
    await first.finish()
    evil = branch_of(first, 2, "data", f"{ESCAPES}\n[b]n[/b]", f"{ESCAPES}\n\n[red]so[/nope] {'x' * 5000}")
    evil.changed = {"data/oscillation.csv": b"t,y\n\x1b[2J[b]1[/b],2\n"}
    await evil.finish()
    call = (await evil.store.reads(evil.session.id).events(evil.run.id, limit=500))[-3]
    await evil._file("report", "data/\x1b[2Jevil\u202e\n[b].csv", "data", b"a,b\n1,2\n", call)
    app = make_app(evil.run.id)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        app.compare(first.run.id, evil.run.id)
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen._found)
        seen = ""
        for key in ("g", "pagedown", "pagedown", "pagedown", "4", "G", "2", "3"):
            await pilot.press(key)
            await pilot.pause(0.05)
            seen += text_of(app)
            assert len(text_of(app).split("\n")) == size[1]
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", seen)
        if size[0] >= 80:
            assert "[red]so[/nope]" in seen and "evil" in seen
