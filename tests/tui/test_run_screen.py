"""The run screen on a real store: live, by keyboard, and as it was left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.widgets.dag.view import DagView
from cmbagent_tui.widgets.timeline.view import Timeline
from engine.engine import Engine
from engine.model.events import Delta
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import CODE, Seed

WIDE, NARROW = (120, 40), (80, 24)


def selected(app: Any) -> str:
    screen = app.screen
    assert isinstance(screen, RunScreen) and screen.board is not None
    return screen.board.cards[screen.query_one(DagView).selected or ""].node.step


async def test_a_finished_run_shows_state_result_and_where_its_files_are(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "✓ completed", "7/7 steps", "cost $0.02", "sandbox: limits", "journal:oscillator")
        await shows(pilot, "The model's answers come from the shipped journal", "21 files in /research/oscillator")
        await shows(pilot, "Write the report: done, the numbers agree.", "run completed")
        assert selected(app) == "report"
        assert app.title == "Is this oscillator damped?"


async def test_a_failed_run_says_which_step_and_why(make_app: Any, seed: Seed) -> None:
    await seed.finish(fails="fit_damped")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(
            pilot, "✗ failed", "2/7 steps, 1 failed", "fit_damped: the fit did not converge chi2_per_dof is 7.3"
        )
        assert selected(app) == "fit_damped"
        await shows(pilot, "⊘ compare", "✗ chi2 is sane")


async def test_it_is_live(make_app: Any, seed: Seed, engine: Engine) -> None:
    await seed.wait_for_approval()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "waiting for you")
        await pilot.press("escape")
        seed_two = seed  # the run goes on, as when another process drives it
        await _go_on(seed_two)
        await shows(pilot, "◉ executing", "1/7 steps", "✓ data", "◉ fit_undamped")
        await until(pilot, lambda: selected(app) == "fit_undamped", "the cursor goes with what runs")
        node = seed.nodes["fit_undamped"]
        await pilot.press("7")
        engine._hub.publish([Delta(seed.run.id, node.id, "call", "I look at the residuals")])  # pyright: ignore
        await shows(pilot, "the model is writing", "I look at the residuals")
        await seed.end_node("fit_undamped", "done")
        await shows(pilot, "2/7 steps")
        await hides(pilot, "the model is writing")


async def _go_on(seed: Seed) -> None:
    await seed.settle()
    await seed.run_node("data")
    await seed.run_node("fit_undamped", end=False)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("4", ("agent    engineer", "after    ✓ data", "checks   ✓ 1 of 1 passed", "Attempt 1: ✓ completed")),
        ("5", ("Fit the damped model", "Weighted least squares fit of A", "gamma near 0.15")),
        ("6", ("codebase/fit_damped.py", "def model(t: np.ndarray")),
        ("7", ("codebase/fit_damped.py  exit 0  2.1s", "gamma = 0.1371")),
        ("8", ("codebase/fit_damped.py", "10.2 kB", "figure", "import numpy as np")),
        ("9", ("engineer  assistant", "I write the code and run it.")),
    ],
)
async def test_every_tab_of_a_step(make_app: Any, seed: Seed, key: str, expected: tuple[str, ...]) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        app.screen.query_one(DagView).select(seed.nodes["fit_damped"].id, by_hand=True)
        await pilot.press(key)
        await shows(pilot, *expected)


async def test_files_are_previewed_by_what_they_are(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("8")
        await shows(pilot, "data/report.png")
        await pilot.press("down")
        await shows(pilot, "t     y      sigma", "0.08  0.980")
        await pilot.press("down")
        await shows(pilot, "a figure, 10.2 kB. Press o to save a copy and open it.")
        await pilot.press("o")
        await shows(pilot, "A copy is at", "report.png")
    copies = list((app.state_dir / "opened").rglob("report.png"))
    assert len(copies) == 1 and copies[0].stat().st_size == 10_248


async def test_output_of_a_failed_run_is_shown_as_it_is(make_app: Any, seed: Seed) -> None:
    await seed.finish(fails="data")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "✗ failed")
        await pilot.press("7")
        await shows(pilot, "exit 1", "RuntimeError: [bold]no[/bold] convergence")


async def test_the_cursor_goes_along_edges_and_across_layers(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("g")
        path = []
        for key in ("down", "j", "j", "right", "l", "down", "right", "left", "k", "up", "end", "home"):
            await pilot.press(key)
            path.append(selected(app))
    assert path == [
        "approval", "data", "fit_undamped", "fit_damped", "fit_damped", "figure", "figure", "residuals",
        "fit_damped", "data", "terminator", "planning",
    ]  # fmt: skip


async def test_it_opens_as_it_was_left(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("k")
        left_at = selected(app)
        await pilot.press("7")
        await shows(pilot, "gamma = 0.1371")
    again = make_app()
    async with again.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("enter")
        await shows(pilot, "7/7 steps", "gamma = 0.1371")
        assert selected(again) == left_at
        focused = again.screen.focused
        assert focused is not None and focused.id == "prose"


async def test_one_pane_at_a_time_in_a_narrow_terminal(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=NARROW, notifications=True) as pilot:
        await shows(pilot, "1 Steps", "data  Simulate the measurement")
        assert "2 Timeline" not in text_of(app) and "4 Summary" not in text_of(app)
        await pilot.press("2")
        await shows(pilot, "2 Timeline", "run completed")
        assert "1 Steps" not in text_of(app)
        await pilot.press("tab")
        await shows(pilot, "3 report", "4 Summary")
        await pilot.press("tab")
        await shows(pilot, "1 Steps")
        await pilot.press("enter")
        await shows(pilot, "4 Summary")
        await pilot.press("escape")
        await shows(pilot, "1 Steps")


async def test_an_event_is_shown_whole_and_the_timeline_follows_again(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "executing")
        timeline = app.screen.query_one(Timeline)
        await pilot.press("2", "g")
        await shows(pilot, "0 Event", "number   1", "what     node")
        assert not timeline.following
        before = timeline.count
        await seed.run_node("data", end=False)
        await until(pilot, lambda: timeline.count > before)
        assert timeline.cursor == 0
        await pilot.press("f")
        await until(pilot, lambda: timeline.cursor == timeline.count - 1)
        await seed.end_node("data", "done")
        await until(pilot, lambda: timeline.cursor == timeline.count - 1 and "data completed" in text_of(app))


async def test_pause_and_cancel_say_why_not(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("p")
        await shows(pilot, "nothing to pause")
        await pilot.press("c")
        await shows(pilot, "nothing to cancel")


async def test_cancelling_asks_first(make_app: Any, seed: Seed, engine: Engine) -> None:
    await seed.approve()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "executing")
        await pilot.press("c")
        await shows(pilot, "Cancel this run?")
        await pilot.press("enter", "n")
        await hides(pilot, "Cancel this run?")
    assert (await engine.view(seed.run.id)).run.state == "executing"


async def test_a_run_that_is_not_there_leads_home(make_app: Any) -> None:
    app = make_app("01900000-dead-7000-8000-000000000000")
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "there is no run", "Nothing here yet")


async def test_what_someone_reads_is_not_taken_away(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", end=False)
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "◉ data")
        await pilot.press("7")
        await shows(pilot, "gamma = 0.1371")
        await seed.end_node("data", "done")
        await seed.run_node("fit_undamped", end=False)
        await shows(pilot, "◉ fit_undamped")
        assert selected(app) == "data"
        await pilot.press("f")
        await until(pilot, lambda: selected(app) == "fit_undamped")


async def test_a_text_file_opens_in_the_pager_as_a_copy(
    make_app: Any, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\ncat "$1" > {seen}\n')
    pager.chmod(0o700)
    monkeypatch.setenv("PAGER", str(pager))
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("8")
        await shows(pilot, "codebase/report.py")
        await pilot.press("enter")
        await until(pilot, lambda: seen.exists() and seen.read_text() == CODE)
