"""Quitting: at once when nothing is at work, and else by a key that says what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.engine import Engine
from tests.tui.looking import hides, shows
from tests.tui.seed import Seed

ONE = "01900000-0000-7000-8000-00000000beef"
OTHER = "01900000-0000-7000-8000-00000000f00d"


async def test_it_asks_nothing_when_nothing_is_at_work(make_app: Any, seed: Seed) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("q")
        await pilot.pause()
    assert (app.return_code, app.leaves_running) == (0, False)


@pytest.mark.parametrize(("key", "leaves"), [("s", False), ("l", True)])
async def test_one_key_says_what_becomes_of_what_is_at_work(
    make_app: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, key: str, leaves: bool
) -> None:
    monkeypatch.setattr(engine, "active", lambda: [ONE])
    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("q")
        await shows(pilot, "Quit? Run 0000beef is at work.", "s stop", "l leave it running", "esc stay")
        await pilot.press(key)
        await pilot.pause()
    assert (app.return_code, app.leaves_running) == (0, leaves)


@pytest.mark.parametrize("key", ["escape", "n", "q"])
async def test_one_can_stay(make_app: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(engine, "active", lambda: [ONE, OTHER])
    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("q")
        await shows(pilot, "Quit? 2 runs are at work.")
        await pilot.press("enter")  # may have been meant for something else
        await pilot.press(key)
        await hides(pilot, "Quit?")
        assert app.is_running


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (20, 5)])
async def test_the_keys_are_seen_in_a_small_terminal(
    make_app: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(engine, "active", lambda: [ONE])
    app = make_app()
    async with app.run_test(size=size, notifications=True) as pilot:
        await shows(pilot, "Press d")
        await pilot.press("q")
        await shows(pilot, "s l esc" if size[0] < 40 else "l leave it running")
