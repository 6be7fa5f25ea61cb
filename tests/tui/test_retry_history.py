"""A retry is shown with why it was made, what history says of it, and what its agent was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

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


@asynccontextmanager
async def at_second_attempt(make_app: Any, seed: Seed, fails: str, **decided: Any) -> AsyncIterator[Pilot[Any]]:
    """The summary of the step `data`, which failed, was tried again as is decided, and is done."""
    await seed.approve()
    await seed.run_node("data", fails=fails)
    await decide(seed, **decided)
    await again(seed, "data")
    await seed.run_node("data")
    app = make_app(seed.run.id)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await shows(pilot, "✓ data #2")
        app.screen.query_one(DagView).select(seed.nodes["data"].id, by_hand=True)
        await pilot.press("4")
        yield pilot


async def test_in_the_timeline_and_beside_the_attempt(make_app: Any, seed: Seed) -> None:
    async with at_second_attempt(make_app, seed, "the file is not there") as pilot:
        why = "a check of the results does not hold; 3 of 5 such retries helped (60%)"
        await shows(pilot, f"because  {why}; it was told of 1 attempt and of 2 like errors resolved before")
        await pilot.press("3")
        await shows(pilot, "again (2 of 3): data_shape; 3 of 5 such retries helped")


async def test_one_that_goes_on_from_where_the_last_stood_says_so(make_app: Any, seed: Seed) -> None:
    decided = {"kind": "api_error", "category": "api_error", "continues": ["a1"], "told": None}
    async with at_second_attempt(make_app, seed, "the server is down", **decided) as pilot:
        await shows(pilot, "it went on from where the last one stood")
