"""The log on the screen: what goes wrong beside the keys is there, and a line about it is on the screen."""

from __future__ import annotations

import asyncio
from typing import Any

from cmbagent_tui.screens.log import LogRows
from cmbagent_tui.work import begin
from tests.tui.looking import hides, shows, until


async def test_a_defect_beside_the_keys_is_one_line_and_the_rest_is_in_the_log(make_app: Any) -> None:
    async def broken() -> None:
        raise RuntimeError("beside [b]the[/b] keys")

    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        begin(app, broken, "broken")
        await shows(pilot, "A defect of the cockpit's own", "[b]the[/b]")
        await pilot.press("L")
        await shows(pilot, "Traceback", "in broken")
        await pilot.press("escape")
        await hides(pilot, "Traceback")


async def test_a_task_that_nobody_waits_for_ends_in_the_log(make_app: Any) -> None:
    async def forgotten() -> None:
        raise RuntimeError("nobody saw this")

    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        tasks = [asyncio.ensure_future(forgotten())]
        await pilot.pause()
        tasks.clear()
        await pilot.press("L")
        await shows(pilot, "nobody saw this")


async def test_the_log_is_followed_until_the_cursor_is_moved_up(make_app: Any) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("L")
        await shows(pilot, "Nothing is in cockpit.log yet")
        for number in range(40):
            app.records.write("info", f"line {number}")
        await shows(pilot, "line 39")
        await pilot.press("g")
        app.records.write("error", "line 40")
        rows = app.screen.query_one(LogRows)
        await until(pilot, lambda: rows.count == 41)
        await shows(pilot, "line 0")
        await pilot.press("e")
        await shows(pilot, "what went wrong", "line 40")
        await hides(pilot, "line 0")
