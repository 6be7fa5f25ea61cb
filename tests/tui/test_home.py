"""Home: what is there, what to do first, and what is said when it cannot be opened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.screens.home import HomeScreen
from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.settings import Settings
from engine.engine import Engine
from engine.model.errors import StorageError, UsageError
from tests.tui.looking import shows, text_of, until
from tests.tui.seed import Seed

SIZE = (100, 30)


async def test_the_first_time_it_says_what_to_do(make_app: Any) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet", "OPENAI_API_KEY", "Press d")


async def test_sessions_are_listed_and_one_opens(make_app: Any, engine: Engine, seed: Seed) -> None:
    await seed.finish()
    second = Seed(seed.store, seed.blobs, title="Does the [b]lens[/b] agree?", number=2)
    await second.wait_for_approval()
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 sessions", "1 approval waiting", "oscillator", "lens")
        lines = [line for line in text_of(app).splitlines() if "oscillator" in line or "lens" in line]
        assert "✓ completed" in lines[0] and "$0.02" in lines[0] and "7/7" in lines[0]  # it was at work last
        assert "waiting for you" in lines[1] and "Does the [b]lens[/b] agree?" in lines[1]
        await pilot.press("enter")
        await shows(pilot, "7/7 steps", "Completed in")
        assert isinstance(app.screen, RunScreen) and app.screen.run_id == seed.run.id
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_any_session_is_a_key_away(make_app: Any, seed: Seed) -> None:
    for number in range(1, 61):
        await Seed(seed.store, seed.blobs, title=f"question {number:02}", number=number).begin()
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "60 sessions", "question 60")
        await pilot.press("G")
        await shows(pilot, "question 01")


async def test_it_paints_before_the_engine_is_there(make_app: Any, engine: Engine, tmp_path: Path) -> None:
    may_open = asyncio.Event()

    async def slow() -> Engine:
        await may_open.wait()
        return engine

    app = CockpitApp(slow, state_dir=tmp_path / "state")
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "opening the database")
        await pilot.press("n", "d", "A")  # nothing to open yet, and no harm done
        may_open.set()
        await shows(pilot, "Nothing here yet")


async def test_what_cannot_be_opened_says_why_and_what_to_do(tmp_path: Path) -> None:
    async def broken() -> Engine:
        raise StorageError("the database is of a newer version", "Install the newer program.")

    app = CockpitApp(broken, state_dir=tmp_path)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "could not be opened", "the database is of a newer version", "Install the newer program.")
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == StorageError.exit_code


async def test_a_first_run_that_cannot_start_leaves_home(engine: Engine, tmp_path: Path) -> None:
    async def opened() -> Engine:
        return engine

    async def first(_: Engine) -> str:
        raise UsageError("no model is set", "Set OPENAI_API_KEY.")

    app = CockpitApp(opened, first=first, state_dir=tmp_path)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "no model is set", "Set OPENAI_API_KEY.", "Nothing here yet")


async def test_the_demo_starts_by_key(make_app: Any, seed: Seed) -> None:
    async def demo(_: Engine) -> str:
        await seed.wait_for_approval()
        return seed.run.id

    app = make_app(start_demo=demo)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Press d")
        await pilot.press("d")
        await shows(pilot, "Shall this run?")


async def test_the_first_time_it_names_the_keys_that_a_person_chose(make_app: Any, tmp_path: Path) -> None:
    keys = {"home.demo": "D", "home.new": "N", "app.settings": "f2", "app.palette": "f3"}
    app = make_app(settings=Settings(tmp_path, {}, {"keys": keys}, {}))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Press D ", "Press N ", "Press f2 ", "Press ? ", "f3 finds anything")


async def test_the_first_time_it_says_who_answers_and_what_is_missing(make_app: Any, tmp_path: Path) -> None:
    settings = Settings(tmp_path, {"ANTHROPIC_API_KEY": "sk-none"}, {}, {})
    lacks = "science: numpy is missing: pip install 'cmbagent-tui[science]' [bold]now[/bold]"
    app = make_app(settings=settings, missing=lambda _: [lacks])
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "of anthropic:claude-sonnet-4-5.", "Missing, as `cmbagent-tui doctor`", lacks)
        assert "sk-none" not in text_of(app)


async def test_what_to_do_first_goes_with_the_first_session_and_comes_back_with_none(
    make_app: Any, engine: Engine, seed: Seed
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await seed.begin()
        await shows(pilot, "1 session", "oscillator")
        assert "Nothing here yet" not in text_of(app)
        await engine.archive(seed.session.id)
        await pilot.press("r")
        await shows(pilot, "All sessions are archived or deleted.")
        assert "Nothing here yet" not in text_of(app)


async def test_what_to_do_first_fits_any_terminal(make_app: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet", "Press ?", "CMBAGENT_MODEL")
        for size in ((20, 5), (10, 3), (43, 12), (200, 60), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert len(text_of(app).splitlines()) == size[1]
        await shows(pilot, "Nothing here yet", "Press ?", "CMBAGENT_MODEL")
