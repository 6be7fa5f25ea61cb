"""The costs: summed by whatever a key asks for, first of what one came from, and never nothing where none is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cmbagent_tui.screens import costs
from cmbagent_tui.screens.costs import CostsScreen
from cmbagent_tui.screens.home import HomeScreen
from cmbagent_tui.screens.run import RunScreen
from engine.model.changes import Add
from engine.model.ids import new_id
from engine.model.records import Cost
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import START, Seed

SIZE = (120, 30)


async def spend(seed: Seed, usd: int | None, *, step: str = "planning", days: float = 0, **values: Any) -> None:
    """One more call of a run."""
    node = seed.nodes[step]
    made = {"agent": "engineer", "model": "openai:gpt-5", "tokens": (1000, 200), **values}
    attempt = seed.attempts[step].id if step in seed.attempts else None
    at = START + timedelta(days=days)
    cost = Cost(
        new_id(), node.session_id, node.run_id, node.id, attempt, None, at, made["agent"], made["model"],
        *made["tokens"], 50, usd, "test",
    )  # fmt: skip
    await seed.store.commit(Add(cost))


@pytest.fixture
async def two(seed: Seed) -> tuple[Seed, Seed]:
    """Two sessions at work; the first has a budget, and calls of which no price is known."""
    first = Seed(seed.store, seed.blobs, options={"models": {"default": "openai:gpt-5"}, "budget_micro": 5_000_000})
    second = Seed(seed.store, seed.blobs, title="Why is the sky dark?", number=2)
    await first.begin()  # each of them costs 2150 micro-USD at its beginning
    await spend(first, 1_500_000)
    await spend(first, None, days=2, agent="researcher", model="local:mine")
    await second.begin()
    return first, second


def line(app: Any, text: str) -> str:
    (found,) = [one for one in text_of(app).splitlines() if text in one and "call" in one and " for " not in one]
    return found


async def test_a_runs_costs_by_key_and_then_those_of_more(make_app: Any, two: tuple[Seed, Seed]) -> None:
    app = make_app(two[0].run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("dollar_sign")
        await shows(pilot, "of run 00000001", "$1.50+? for 3 calls", "3.2k tokens in (100 cached), 740 out")
        await shows(pilot, "the price of 1 call is not known", "left of the budget: at most $3.50 of $5.00")
        assert "planning" in line(app, "planning") and "$1.50+?" in line(app, "planning")
        for key, wanted in (
            ("1", "oscillator damped"),
            ("2", "00000001  Simulate"),
            ("4", "researcher"),
            ("5", "local:mine"),
            ("6", "2031-05-08"),
        ):
            await pilot.press(key)
            await shows(pilot, wanted)
        await pilot.press("left")
        await shows(pilot, "local:mine", "openai:gpt-5", "journal:oscillator")
        unknown, known = line(app, "local:mine"), line(app, "openai:gpt-5")
        assert "?" in unknown and "$" not in unknown and "█" not in unknown
        assert "$1.50" in known and "99%" in known and "█" in known
        await pilot.press("w")
        await shows(pilot, "of the session Is this oscillator damped?")
        await hides(pilot, "budget")
        await pilot.press("w")
        await shows(pilot, "of all sessions", "4 calls")
        await pilot.press("1")
        await shows(pilot, "Why is the sky dark?")
        await pilot.press("right", "G", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.run_id == two[1].run.id)
        await pilot.press("dollar_sign")
        await shows(pilot, "of run 00000002")
        await pilot.press("dollar_sign")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("dollar_sign", "right_square_bracket")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert len(app.screen_stack) == 2


async def test_from_the_sessions_it_is_of_what_the_cursor_is_on(make_app: Any, two: tuple[Seed, Seed]) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "2 sessions")
        await pilot.press("3")
        await until(pilot, lambda: 0 <= text_of(app).find("oscillator") < text_of(app).find("Why is"))
        await pilot.press("g")
        await until(pilot, lambda: any("▸" in line and "oscillator" in line for line in text_of(app).splitlines()))
        await pilot.press("dollar_sign")
        await shows(pilot, "of the session Is this oscillator damped?", "00000001  Simulate")
        await shows(pilot, "left of the budget: at most $3.50 of $5.00")  # of the run that the cursor is on
        await pilot.press("w", "1")
        await shows(pilot, "of all sessions", "Why is the sky dark?")
        await pilot.press("G", "enter")
        await shows(pilot, "of the session Why is the sky dark?", "00000002  Simulate")
        await pilot.press("5", "enter")
        await shows(pilot, "nothing to open here")
        await pilot.press("3")
        await shows(pilot, "planning")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.run_id == two[1].run.id)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("l")
        await shows(pilot, "└─")
        await pilot.press("down", "dollar_sign")
        await shows(pilot, "of run")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_where_nothing_was_spent_it_says_so(make_app: Any) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("ctrl+p", *"was spent", "enter")
        await shows(pilot, "of all sessions", "Nothing was spent.")
        await pilot.press("w")
        await shows(pilot, "of all sessions already")
        await pilot.press("3", "enter", "down", "escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_what_is_spent_meanwhile_comes_in_and_an_approval_comes_up(
    make_app: Any, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_PACE", 0.05)
    await seed.begin()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("dollar_sign")
        await shows(pilot, "$0.0022 for 1 call")
        await spend(seed, 3_000_000)
        await shows(pilot, "$3.00 for 2 calls")
        await Seed(seed.store, seed.blobs, title="Another", number=2).wait_for_approval()
        await shows(pilot, "Shall this run?")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, CostsScreen))


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 5), (8, 3)])
async def test_it_bears_any_size(make_app: Any, two: tuple[Seed, Seed], size: tuple[int, int]) -> None:
    app = make_app(two[0].run.id)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.board)
        await pilot.press("dollar_sign", *"123456", "w", "w", "right", "down", "h")
        if size[1] > 4:  # the dearest is seen, whatever else has no room
            await until(pilot, lambda: any(one.strip().startswith("2031-05-08") for one in text_of(app).splitlines()))
        await pilot.resize_terminal(*SIZE)
        await shows(pilot, "of all sessions", "4 calls")
