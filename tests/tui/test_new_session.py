"""The form of a new session: its fields, what it says to them, and that nothing written in it is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cmbagent_tui.state.form import Drafts, NewSession, problems
from engine.engine import Engine
from engine.model.errors import UsageError
from tests.tui.looking import hides, shows, until
from tests.tui.seed import Seed

SIZE = (80, 24)


def kept(app: Any) -> list[Path]:
    return list((app.state_dir / "drafts").glob("*.json"))


async def test_it_starts_with_all_that_was_filled_in(make_app: Any, seed: Seed, tmp_path: Path) -> None:
    await seed.finish()
    (tmp_path / "data.csv").write_text("t,y\n")
    asked: list[NewSession] = []

    async def start(_: Engine, given: NewSession) -> str:
        asked.append(given)
        if len(asked) == 1:
            raise UsageError("no model is set", "Set OPENAI_API_KEY.")
        return seed.run.id

    app = make_app(start_session=start)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("n")
        await shows(pilot, "What is to be found out?", "planning-control", "ctrl+r start")
        await pilot.press("f5")
        await shows(pilot, "in a sentence or more")
        await pilot.press(*"Why?", "enter", *"ok", "tab", "right", "tab", "space", "left", "h")
        await shows(pilot, "one-shot", "nothing is asked")
        await pilot.press("tab", *"gpt")
        await shows(pilot, "'gpt' does not name a model")
        await pilot.press(*["backspace"] * 3, *"openai:x", "tab", *"nobody=openai:y")
        await shows(pilot, "there is no role 'nobody'")
        await pilot.press(*["backspace"] * 15, *"engineer=openai:y", "tab", *"-2")
        await shows(pilot, "more than 0 USD")
        await pilot.press("backspace", "backspace", *"2.50", "tab", *str(tmp_path / "data.cs"))
        await shows(pilot, "there is no file")
        await pilot.press("ctrl+s")
        await pilot.press("v")
        await shows(pilot, "1 file, 4 B")
        assert not asked
        await pilot.press("ctrl+r")
        await shows(pilot, "no model is set", "Set OPENAI_API_KEY.")
        await pilot.press("ctrl+s")
        await shows(pilot, "7/7 steps")
        assert kept(app) == []
    one = NewSession(
        "Why?\nok", "one-shot", "none", "openai:x", "engineer=openai:y", "2.50", str(tmp_path / "data.csv")
    )
    assert asked == [one, one]


async def test_what_was_put_aside_is_offered_again(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("n")
        await shows(pilot, "What is to be found out?")
        await pilot.press(*"Why [b] now", "tab", "right", "escape")
        await hides(pilot, "What is to be found out?")
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("n")
        await shows(pilot, "Why [b] now", "one-shot")
        await pilot.press(*["backspace"] * 11, "escape")
        await until(pilot, lambda: not kept(app))


async def test_a_draft_is_kept_at_every_pause(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("n")
        await shows(pilot, "What is to be found out?")
        await pilot.press(*"Why")
        await until(pilot, lambda: kept(app) and "Why" in kept(app)[0].read_text())


def test_two_terminals_write_two_drafts_and_each_is_offered_once(tmp_path: Path) -> None:
    one, two = Drafts(tmp_path), Drafts(tmp_path)
    one.save(NewSession("first"))
    two.save(NewSession("second"))
    assert Drafts(tmp_path).take() is None
    one.release()
    three = Drafts(tmp_path)
    assert three.take() == NewSession("first")
    two.release()
    assert Drafts(tmp_path).take() == NewSession("second")
    three.discard()
    (tmp_path / "drafts" / "x.json").write_text("not a draft")
    left = Drafts(tmp_path)
    assert left.take() == NewSession("second")


def test_what_makes_sense_has_no_problems() -> None:
    assert problems(NewSession("Why?"), ["engineer"]) == {}
    assert problems(NewSession("Why?", models="engineer=openai:x,planner=ollama:y"), ["engineer", "planner"]) == {}
    assert problems(NewSession("Why?", models="engineer"), ["engineer"]).keys() == {"models"}


@pytest.mark.parametrize("size", [(120, 40), (40, 10), (20, 5), (8, 3)])
async def test_it_bears_any_size(make_app: Any, seed: Seed, size: tuple[int, int]) -> None:
    await seed.finish()
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("n")
        await shows(pilot, "What is to be found out?")
        await pilot.resize_terminal(*size)
        await pilot.press(*"ab", "tab", "right", "tab", "tab", "tab", "tab", "tab", "x", "ctrl+r", "shift+tab")
        await pilot.resize_terminal(*SIZE)
        await shows(pilot, "ab", "there is no file x")
