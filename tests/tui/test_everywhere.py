"""What works wherever one is: jumping, news of other runs, the mouse left alone, any size of terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from textual.drivers.linux_driver import LinuxDriver

from cmbagent_tui.cli import main
from cmbagent_tui.driver import CockpitDriver
from cmbagent_tui.screens.jump import LETTERS, JumpScreen, targets
from cmbagent_tui.settings import load
from cmbagent_tui.widgets.dag.view import DagView
from engine.model.states import RunState
from engine.runs.moves import engine
from tests.tui.looking import shows, text_of, until
from tests.tui.seed import Seed


@pytest.mark.parametrize("size", [(120, 34), (80, 24)])
async def test_a_letter_leads_to_every_pane_and_tab(make_app: Any, seed: Seed, size: tuple[int, int]) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=size, notifications=True) as pilot:
        await shows(pilot, "7/7 steps", "Make a plan")
        run = app.screen
        reached: set[str | None] = set()
        await pilot.press("ctrl+o")
        await until(pilot, lambda: app.screen is not run)
        letters = [str(one.render()).split()[0] for one in app.screen.query(".jump-letter")]
        await pilot.press("escape")
        for letter in letters:
            await until(pilot, lambda: app.screen is run)
            await pilot.press("1", "ctrl+o")
            await until(pilot, lambda: app.screen is not run)
            await pilot.press(letter)
            await until(pilot, lambda: app.screen is run)
            await pilot.pause()
            reached.add(run._focused_pane())
        assert reached == {"dag", "timeline", "detail"}


@pytest.mark.parametrize(("before", "after"), [((120, 34), (80, 24)), ((80, 24), (120, 34)), ((120, 34), (60, 20))])
async def test_the_letters_follow_when_the_terminal_is_resized(
    make_app: Any, seed: Seed, before: tuple[int, int], after: tuple[int, int]
) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=before, notifications=True) as pilot:
        await shows(pilot, "7/7 steps", "Make a plan")
        run = app.screen
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpScreen))
        await pilot.resize_terminal(*after)

        def drawn() -> list[tuple[int, int, str]]:
            letters = app.screen.query(".jump-letter")
            return sorted((one.region.y, one.region.x, str(one.render()).split()[0]) for one in letters)

        def meant() -> list[tuple[int, int, str]]:
            places = sorted((max(0, one.y), max(0, one.x)) for one in targets(run))
            return [(*place, letter) for place, letter in zip(places, LETTERS, strict=False)]

        await until(pilot, lambda: run.size == app.size and drawn() == meant(), "letters where the places are now")
        (letter,) = [one for one, target in app.screen._targets.items() if target.go.args == ("timeline",)]
        await pilot.press(letter)
        await until(pilot, lambda: app.screen is run and run._focused_pane() == "timeline")


async def test_news_of_a_run_that_is_not_looked_at(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    other = Seed(seed.store, seed.blobs, title="Does the [b]lens[/b] agree?", number=2)
    await other.approve()
    app = make_app(seed.run.id)
    async with app.run_test(size=(110, 40), notifications=True) as pilot:
        await shows(pilot, "oscillator", "executing")
        await other._move_run(RunState.FAILED, engine("a step failed"), "a step failed")
        await until(pilot, lambda: [(one.title, one.message) for one in app._notifications])
        assert [(one.title, one.message) for one in app._notifications] == [("failed", "Does the [b]lens[/b] agree?")]
        await seed._move_run(RunState.FAILED, engine("a step failed"), "a step failed")
        await shows(pilot, "failed")
        assert len(app._notifications) == 1  # what is seen is no news


async def test_nothing_is_lost_in_any_size(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(200, 60), notifications=True) as pilot:
        await shows(pilot, "7/7 steps", "Make a plan")
        await pilot.press("g", "j", "j")
        chosen = app.screen.query_one(DagView).selected
        before = text_of(app)
        for size in [(120, 40), (80, 24), (40, 12), (20, 5), (1, 1), (20, 5), (60, 16), (99, 30), (100, 30), (200, 60)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert app.screen.query_one(DagView).selected == chosen
        await until(pilot, lambda: text_of(app) == before, "the picture that it began with")


@pytest.mark.parametrize("key", ["ctrl+p", "question_mark", "comma", "L", "ctrl+o"])
async def test_what_is_opened_everywhere_bears_the_smallest_terminal(make_app: Any, seed: Seed, key: str) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        run = app.screen
        await pilot.press(key)
        await until(pilot, lambda: app.screen is not run)
        for size in [(20, 5), (10, 3), (100, 30)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is run)


def test_the_mouse_can_be_left_to_the_terminal(make_app: Any, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mouse = false\n")
    settings = load({"CMBAGENT_HOME": str(tmp_path)}, tmp_path)
    assert make_app(settings=settings).takes_mouse is False
    assert make_app(settings=settings.given(mouse=True)).takes_mouse is True
    assert issubclass(CockpitDriver, LinuxDriver)
    with pytest.raises(SystemExit) as ended:
        main(["--no-mouse", "--help"])
    assert ended.value.code == 0


async def test_without_colour_there_is_none(make_app: Any, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "7/7 steps", "✓ completed")
        drawn = app.export_screenshot()
        window = {"ff5f57", "febc2e", "28c840", "c5c8c6"}  # that the picture draws around it
        colours = set(re.findall(r"fill[:=]\s?\"?#([0-9a-f]{6})", drawn)) - window
        assert all(one[0:2] == one[2:4] == one[4:6] for one in colours), colours
