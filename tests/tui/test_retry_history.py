"""A retry is shown with why it was made, what history says of it, and what its agent was told."""

from __future__ import annotations

from typing import Any

from cmbagent_tui.widgets.dag.view import DagView
from engine.model.changes import Add
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from tests.tui.detail_seed import again
from tests.tui.looking import shows
from tests.tui.seed import Seed

WIDE = (320, 50)  # so that no line is broken


async def decide(seed: Seed, **more: Any) -> None:
    """The engine decides to try the step `data` again."""
    node = seed.nodes["data"]
    data = {
        "category": "data_shape", "kind": "check_failed", "attempt": 2, "of": 3, "at": seed.now.isoformat(),
        "continues": [], "chance": {"cases": 5, "words": "3 of 5 such retries helped (60%)"}, "wait": 0.0,
        "told": {"tried": [{"attempt": 1}], "resolved": [{"error": "x"}, {"error": "y"}]}, **more,
    }  # fmt: skip
    event = Event(
        new_id(), node.session_id, node.run_id, EventKind.RETRY, seed.pass_time(0.1), node_id=node.id, data=data
    )
    await seed._commit([Add(event)])  # pyright: ignore[reportPrivateUsage]


async def test_in_the_timeline_and_beside_the_attempt(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", fails="the file is not there")
    await decide(seed)
    await again(seed, "data")
    await seed.run_node("data")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "✓ data #2")
        app.screen.query_one(DagView).select(seed.nodes["data"].id, by_hand=True)
        await pilot.press("4")
        why = "a check of the results does not hold; 3 of 5 such retries helped (60%)"
        await shows(pilot, f"because  {why}; it was told of 1 attempt and of 2 like errors resolved before")
        await pilot.press("3")
        await shows(pilot, "again (2 of 3): data_shape; 3 of 5 such retries helped")


async def test_one_that_goes_on_from_where_the_last_stood_says_so(make_app: Any, seed: Seed) -> None:
    await seed.approve()
    await seed.run_node("data", fails="the server is down")
    await decide(seed, kind="api_error", category="api_error", continues=["a1"], told=None)
    await again(seed, "data")
    await seed.run_node("data")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "✓ data #2")
        app.screen.query_one(DagView).select(seed.nodes["data"].id, by_hand=True)
        await pilot.press("4")
        await shows(pilot, "it went on from where the last one stood")
