"""The palette offers all that is bound where one is, every step that is open and every session; and several runs are
open at once."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from cmbagent_tui.screens import palette
from cmbagent_tui.screens.palette import Offers, PaletteScreen
from cmbagent_tui.state.entries import Entry, fitting
from cmbagent_tui.widgets.dag.view import DagView
from tests.tui.looking import hides, shows, text_of, until
from tests.tui.seed import Seed

SIZE = (110, 40)


def offered(pilot: Pilot[Any], kind: str) -> list[str]:
    return [one.title for one in pilot.app.screen.query_one(Offers).entries if one.kind == kind]


async def typed(pilot: Pilot[Any], text: str) -> None:
    await pilot.press(*("space" if one == " " else one for one in text))


async def test_it_offers_what_is_bound_here_with_its_keys(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        bound = {one.binding.tooltip for one in app.screen.active_bindings.values() if one.binding.id and one.enabled}
        await pilot.press("ctrl+p")
        await shows(pilot, "an action, a step, a session")
        assert bound - {"Find an action, a step or a session"} <= set(offered(pilot, "action"))
        assert len(offered(pilot, "action")) == len(set(offered(pilot, "action")))
        await typed(pilot, "map of all")
        await shows(pilot, "Show or hide a map of all steps", "1 found")
        (line,) = (line for line in text_of(app).splitlines() if "Show or hide" in line)
        assert line.split("│")[1].endswith(" m  ")
        await pilot.press("enter")
        await hides(pilot, "1 found")
        assert app.screen.query_one(DagView).has_focus


async def test_a_step_is_gone_to(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("2", "ctrl+p")
        await typed(pilot, "fit_da")
        await shows(pilot, "1 found")
        await pilot.press("enter")
        await shows(pilot, "3 fit_damped")


async def test_every_session_is_read_page_by_page_and_opened(make_app: Any, seed: Seed, monkeypatch: Any) -> None:
    monkeypatch.setattr(palette, "PAGE", 2)
    await seed.finish()
    for number in range(2, 7):
        await Seed(seed.store, seed.blobs, title=f"Question {number} of [b]many[/b]", number=number).wait_for_approval()
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "6 sessions")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: len(offered(pilot, "session")) == 6)
        await typed(pilot, "many 3")
        await shows(pilot, "Question 3 of [b]many[/b]", "1 found")
        await pilot.press("enter")
        await shows(pilot, "Shall this run?")


async def test_nothing_that_fits_is_said_and_escape_leads_back(make_app: Any) -> None:
    app = make_app()
    async with app.run_test(size=(60, 12), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("ctrl+p")
        await typed(pilot, "xyzzy")
        await shows(pilot, "nothing fits")
        await pilot.press("enter", "ctrl+p", "ctrl+p")
        await shows(pilot, "an action")
        assert isinstance(app.screen, PaletteScreen)
        await pilot.press("escape")
        await shows(pilot, "Nothing here yet")


def test_what_fits_best_comes_first() -> None:
    titles = ["Unfold every step", "Pause the run", "Run the demo", "Rerun"]
    entries = [Entry("action", title, lambda: None) for title in titles]
    assert [titles[place] for place in fitting(entries, "run")] == ["Run the demo", "Pause the run", "Rerun"]
    assert [titles[place] for place in fitting(entries, "the run")] == ["Pause the run", "Run the demo"]
    assert [titles[place] for place in fitting(entries, "ptr")] == ["Pause the run"]
    assert fitting(entries, "") == [0, 1, 2, 3] and fitting(entries, "zz") == []


async def test_runs_stay_open_and_are_switched_by_key(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    other = Seed(seed.store, seed.blobs, title="Does the lens agree?", number=2)
    await other.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "oscillator damped", "7/7 steps")
        await pilot.press("]")
        await shows(pilot, "No other run is open")
        await pilot.press("2", "home")  # the timeline's first event
        await shows(pilot, " 1-")
        app.open_run(other.run.id)
        await shows(pilot, "the lens agree", "7/7 steps")
        await pilot.press("left_square_bracket")
        await shows(pilot, "oscillator damped", " 1-")
        await pilot.press("right_square_bracket")
        await shows(pilot, "the lens agree")
        await pilot.press("escape", "escape")
        await shows(pilot, "2 sessions")
        await pilot.press("left_square_bracket")
        await shows(pilot, "oscillator damped", " 1-")


async def test_no_more_runs_stay_open_than_a_few(make_app: Any, seed: Seed, monkeypatch: Any) -> None:
    monkeypatch.setattr("cmbagent_tui.opened.KEPT", 2)
    seeds = [seed, *(Seed(seed.store, seed.blobs, title=f"Question {number}", number=number) for number in (2, 3))]
    for one in seeds:
        await one.finish()
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "3 sessions")
        for one in seeds:
            app.open_run(one.run.id)
            await shows(pilot, one.title, "7/7 steps")
        await until(pilot, lambda: [one.run_id for one in app.runs.all()] == [seeds[1].run.id, seeds[2].run.id])
        app.open_run(seed.run.id)
        await shows(pilot, seed.title, "7/7 steps")
