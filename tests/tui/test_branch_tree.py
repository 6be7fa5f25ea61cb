"""The branch tree: the runs of a session by where they come from, opened from a run and from home."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cmbagent_tui.screens.branch_tree import BranchTreeScreen
from cmbagent_tui.screens.home import HomeScreen
from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.widgets.branch_rows import BranchRows
from engine.model.records import Run
from tests.tui.branch_seed import ESCAPES, branch_of, seeded_tree
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import Seed

SIZE = (120, 30)


@pytest.fixture
async def tree(seed: Seed) -> list[Run]:
    return await seeded_tree(seed)


def rows(app: Any) -> list[str]:
    """The lines of the list, one a run."""
    return [line for line in text_of(app).splitlines() if re.search(r"0000000\d  ", line) and "run 0" not in line]


def chosen(app: Any) -> str:
    return app.screen.query_one(BranchRows).chosen.summary.run.id


async def opened(pilot: Any) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.board)
    await pilot.press("T")
    await shows(pilot, "Branches", "6 runs, 3 branches, 1 replay")


async def test_a_row_for_each_run_says_where_it_comes_from(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[1].id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await opened(pilot)
        first, damped, deeper, again, noise, anew = rows(app)
        assert "✓ completed" in first and "Simulate a damped" in first and "7/7" in first and "$0.02" in first
        assert damped.startswith("▸  ├─ ✗ failed") and "'heavier damping' at fit_damped" in damped
        assert "The damping" in damped and "2 days" in damped and "this run" in damped
        assert deeper.startswith("   │  ╰─ ◆ waiting for you") and "'bayes' at compare" in deeper
        assert "├─ ✓ completed" in again and "replay of 00000001" in again
        assert noise.startswith("   ╰─ ! no process") and "'宇宙 [b]noise[/b]' at data" in noise
        assert anew.startswith("   ! no process")
        await shows(
            pilot, "run 00000002  ✗ failed, the one that you came from", "'heavier damping' at fit_damped of run"
        )


async def test_keys_lead_along_the_branches_and_into_a_run(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[1].id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await opened(pilot)
        assert chosen(app) == tree[1].id
        for key, at in (
            ("l", 2),
            ("h", 1),
            ("left", 0),
            ("right", 1),
            ("j", 2),
            ("down", 3),
            ("k", 2),
            ("G", 5),
            ("g", 0),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert chosen(app) == tree[at].id, key
        await pilot.press("left")
        await shows(pilot, "This run comes from no other.")
        await pilot.press("G", "right")
        await shows(pilot, "No run comes from this one.")
        await pilot.press("k", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.run_id == tree[4].id)
        assert len(app.screen_stack) == 2
        await pilot.press("T")
        await shows(pilot, "run 00000005", "the one that you came from")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.run_id == tree[4].id)


async def test_it_opens_from_home_at_the_chosen_session_or_run(make_app: Any, tree: list[Run], seed: Seed) -> None:
    other = Seed(seed.store, seed.blobs, title="Why is the sky dark?", number=9)
    await other.begin()
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 sessions", "oscillator")
        await pilot.press("g")
        on_top = app.screen.at_hand()[0].title
        await pilot.press("T")
        await shows(pilot, f"of the session {on_top}")
        assert "came from" not in text_of(app)
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("j" if "oscillator" not in on_top else "g", "l")
        await shows(pilot, "00000006")
        await pilot.press("j", "T")
        await shows(pilot, "6 runs", "run 00000006", "the one that you came from")
        await pilot.press("dollar_sign")
        await shows(pilot, "Costs")
        await pilot.press("T")
        await shows(pilot, "Go to a session or a run first")


async def test_it_follows_what_happens_meanwhile(make_app: Any, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmbagent_tui.screens.branch_tree._PACE", 0.05)
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("T")
        await shows(pilot, "1 run", "cmbagent-tui branch")
        await branch_of(seed, 2, "data", "less noise").begin()
        await shows(pilot, "2 runs, 1 branch", "'less noise' at data")
        await hides(pilot, "cmbagent-tui branch")
        assert chosen(app) == seed.run.id


async def test_a_session_without_a_run_says_so(make_app: Any, seed: Seed) -> None:
    from engine.model.changes import Add

    await seed.store.commit(Add(seed.session))
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "1 session")
        await pilot.press("T")
        await shows(pilot, "This session has no run yet.")
        await pilot.press("enter", "h", "l", "j", "escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_its_palette_and_help_know_it(make_app: Any, tree: list[Run]) -> None:
    app = make_app(tree[0].id)
    async with app.run_test(size=(120, 50), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("question_mark")
        await shows(pilot, "Branches", "To the run it comes from", "To the first run from it", "Back to where you were")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("ctrl+p", *"tree of runs")
        await shows(pilot, "Show a session's tree of runs")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BranchTreeScreen))


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (20, 5), (1, 1)])
async def test_hostile_names_are_shown_and_not_obeyed(make_app: Any, seed: Seed, size: tuple[int, int]) -> None:
    await seed.finish()
    says = f"{ESCAPES}\n\n[red]so[/nope] {'x' * 5000}"
    evil = branch_of(seed, 2, "data", f"{ESCAPES}\n[b]name[/b]", says)
    await evil.begin()
    for number in range(3, 26):  # a tree as deep as no terminal is wide
        evil = branch_of(evil, number, "planning", "宇宙" * 30)
        await evil.begin()
    app = make_app(seed.run.id)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, BranchTreeScreen) and app.screen.query_one(BranchRows).count)
        seen = ""
        for key in ("g", "j", "j", "G", "g", "j"):
            await pilot.press(key)
            await pilot.pause()
            seen += text_of(app)
            assert len(text_of(app).split("\n")) == size[1]
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", seen)
        if size[0] >= 80:
            assert "[b]name[/b]" in seen and "[red]so[/nope]" in seen
