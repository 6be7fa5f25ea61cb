"""The browser of sessions: every key of it, what is looked for, and what other processes do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.screens.home import HomeScreen
from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.settings import Settings
from cmbagent_tui.state.sessions import SessionTree
from engine.engine import Engine
from engine.model.changes import Add, Own
from engine.model.ids import new_id
from engine.model.records import Session
from tests.tui.conftest import engine_at
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import Seed

SIZE = (120, 30)
TITLES = ("Does the lens agree?", "Is it damped?", "Why is the sky dark?")


@pytest.fixture
async def three(engine: Engine, seed: Seed) -> list[Seed]:
    """Three sessions; the last one failed."""
    seeds = [Seed(seed.store, seed.blobs, title=title, number=n) for n, title in enumerate(TITLES, 1)]
    for one in seeds[:2]:
        await one.finish()
    await seeds[2].finish(fails="fit_damped")
    return seeds


def titles(app: CockpitApp) -> list[str]:
    lines = text_of(app).splitlines()
    return [title for line in lines for title in TITLES if title in line and line.startswith(("▸", "▾"))]


async def lists(pilot: Pilot[Any], *wanted: str) -> None:
    await until(pilot, lambda: titles(pilot.app) == list(wanted), f"{wanted}")  # type: ignore[arg-type]


async def opened(pilot: Pilot[Any]) -> None:
    await shows(pilot, "3 sessions", *TITLES)


async def by_title(pilot: Pilot[Any]) -> None:
    await pilot.press("3")
    await lists(pilot, *TITLES)


async def test_a_session_unfolds_to_its_runs(make_app: Any, engine: Engine, three: list[Seed]) -> None:
    branch = await engine.branch(three[0].run.id, "report", name="another way", hypothesis="the moon")
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("2")
        await lists(pilot, *reversed(TITLES))
        await pilot.press("G", "l")
        await shows(pilot, 'branch "another way"', "6/7")
        lines = text_of(app).splitlines()
        first = next(n for n, line in enumerate(lines) if "├─" in line)
        assert "another way" in lines[first] and "7/7" in lines[first + 1] and "└─ ✓ completed" in lines[first + 1]
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert app.screen.run_id == branch.id
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("h")
        await hides(pilot, "another way")
        assert titles(app) == [*reversed(TITLES)]
        await pilot.press("right")
        await shows(pilot, "another way")
        await pilot.press("left")
        await hides(pilot, "another way")


async def test_what_is_typed_is_found_at_once(make_app: Any, three: list[Seed]) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("slash")
        await shows(pilot, "state:failed mode:one-shot")
        await pilot.press(*"dmpd")
        await lists(pilot, "Is it damped?")
        await pilot.press("enter")
        await shows(pilot, "1 session found by dmpd")
        await pilot.press("escape")
        await opened(pilot)
        await pilot.press("slash", *"state:fai")
        await lists(pilot, "Why is the sky dark?")
        await pilot.press(*"x")
        await shows(pilot, "there is no state:faix. There are draft")
        assert titles(app) == ["Why is the sky dark?"]
        await pilot.press("escape")
        await opened(pilot)
        assert "There are draft" not in text_of(app)
        await pilot.press("slash", *"nowhere")
        await shows(pilot, "No session fits that")
        await pilot.press("down", "escape")
        await opened(pilot)


async def test_every_order_has_a_key(make_app: Any, three: list[Seed]) -> None:
    lens, damped, sky = TITLES
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        for key, order, said in (
            ("2", (sky, damped, lens), "newest first"),
            ("2", (lens, damped, sky), "oldest first"),
            ("3", (lens, damped, sky), "by title"),
            ("4", (damped, lens, sky), "dearest first"),
            ("5", (sky, lens, damped), "what waits for you first"),
            ("1", (damped, lens, sky), "those last at work first"),
        ):
            await pilot.press(key)
            await shows(pilot, said)
            await lists(pilot, *order)


async def test_sessions_are_put_in_order_and_it_is_undone(make_app: Any, three: list[Seed]) -> None:
    lens = TITLES[0]
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("u")
        await shows(pilot, "nothing to undo")
        await by_title(pilot)
        await pilot.press("g", "e")
        await shows(pilot, "Rename this session", lens)
        await pilot.press(*["backspace"] * len(lens), "enter")
        await shows(pilot, "the title is empty")
        await pilot.press(*"Lenses", "enter")
        await shows(pilot, "Lenses", "Renamed")
        await pilot.press("t")
        await shows(pilot, "Tags of this session")
        await pilot.press(*"#paper a!b", "enter")
        await shows(pilot, "is no tag")
        await pilot.press("backspace", "backspace", "enter")
        await shows(pilot, "#paper #a")
        await pilot.press("a")
        await shows(pilot, "2 sessions")
        await pilot.press("v")
        await shows(pilot, "1 archived session", "archived: Lenses")
        await pilot.press("x")
        await shows(pilot, "Delete", "It has 1 run")
        await pilot.press("n", "delete", "y")
        await shows(pilot, "no archived sessions")
        await pilot.press("v")
        await shows(pilot, "1 deleted session", "deleted: Lenses")
        await pilot.press("x")
        await shows(pilot, "deleted already")
        await pilot.press("u")
        await shows(pilot, "Undone: deleted")
        await pilot.press("u", "v")
        await shows(pilot, "Undone: archived", "3 sessions", "Lenses")
        await pilot.press("u")
        await hides(pilot, "#paper #a ")
        await pilot.press("u")
        await shows(pilot, "Undone: renamed", lens)
        assert sorted(titles(app)) == sorted(TITLES)


async def test_what_is_archived_comes_back_by_the_same_key(make_app: Any, three: list[Seed]) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await by_title(pilot)
        await pilot.press("g", "a")
        await shows(pilot, "2 sessions")
        await pilot.press("v")
        await shows(pilot, "archived: Does the lens")
        await pilot.press("a")
        await shows(pilot, "no archived sessions")
        await pilot.press("v", "v")
        await opened(pilot)


async def test_what_is_at_work_is_not_deleted(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("x", "y")
        await shows(pilot, "only what is", "Cancel it first")


async def test_a_session_is_exported(
    make_app: Any, three: list[Seed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(settings=Settings(tmp_path / "home", {}, {}, {}))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await opened(pilot)
        await by_title(pilot)
        await pilot.press("g", "E")
        await until(pilot, lambda: list(tmp_path.glob("does-the-lens-agree-*.zip")))
        await shows(pilot, "is in")


async def test_a_run_that_stands_still_is_resumed(make_app: Any, three: list[Seed]) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("R")
        await shows(pilot, "there is nothing to resume")
        await pilot.press("r")
        await opened(pilot)


async def test_it_shows_who_drives_what_and_follows_it(make_app: Any, seed: Seed, tmp_path: Path) -> None:
    await seed.approve()
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "executing, no process", "0/7")
        elsewhere = engine_at(tmp_path / "home")
        await elsewhere.open()
        await elsewhere._store.commit(Own(seed.session.id, seed.run.id, elsewhere.fleet.client_id, None, 0))
        await pilot.press("r")
        await shows(pilot, "executing elsewhere")
        theirs = Seed(elsewhere._store, elsewhere._blobs, title="Another", number=2)
        await theirs.wait_for_approval()
        await shows(pilot, "Shall this run?")  # it comes up by itself
        await pilot.press("escape")
        await shows(pilot, "2 sessions", "◆ waiting for you", "1 approval waiting")
        await elsewhere.close()


async def test_it_opens_as_it_was_left(make_app: Any, three: list[Seed]) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("3")
        await lists(pilot, *TITLES)
        await pilot.press("3")
        await lists(pilot, *reversed(TITLES))
        await pilot.press("slash", *"state:comp", "enter")
        await lists(pilot, TITLES[1], TITLES[0])
        await pilot.press("G", "l")
        await shows(pilot, "└─")
        kept = [line for line in text_of(app).splitlines() if line.startswith(("▸", "▾", "  └"))]
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "found by state:comp", "└─")
        assert [line for line in text_of(app).splitlines() if line.startswith(("▸", "▾", "  └"))] == kept
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert app.screen.run_id == three[0].run.id


async def test_of_thousands_few_are_held(make_app: Any, engine: Engine, seed: Seed) -> None:
    at = seed.now
    sessions = [Session(new_id(), f"question {n:04}", seed.session.mode, "/r", at, at) for n in range(3000)]
    await seed.store.commit(*(Add(one) for one in sessions))
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "3000 sessions", "question 2999")
        for _ in range(3):
            await pilot.press("G")
            await shows(pilot, "question 0000")
            await pilot.press("g")
            await shows(pilot, "question 2999")
        home = app.screen
        tree: SessionTree = home._tree
        assert len(tree.sessions) < 300
        await pilot.press("slash", *'"n 1234"', "enter")
        await shows(pilot, "1 session found", "question 1234")


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 5), (8, 3)])
async def test_it_bears_any_size(make_app: Any, three: list[Seed], size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen._tree.count == 3)
        await pilot.press("l", "slash", "x", "escape", "e", "escape", "x", "n", "v", "v", "v", "down", "3")
        await pilot.resize_terminal(120, 30)
        await opened(pilot)
