"""What is typed in one go reaches what each key before it has opened: nothing typed is lost, however slow the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from cmbagent_tui.state.form import Drafts, NewSession
from cmbagent_tui.state.kept import Kept
from engine.engine import Engine
from engine.model.ids import new_id
from tests.tui.looking import shows, text_of, until
from tests.tui.seed import Seed


def burst(pilot: Pilot[Any], *keys: str) -> None:
    """Have keys arrive all at once, as they do when the app was busy, or the line."""
    for key in keys:
        pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_a_search_that_is_typed_at_once_is_made(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 40)) as pilot:
        await shows(pilot, "Make a plan")
        burst(pilot, "slash", *"undamped", "enter", "8")
        await shows(pilot, "found 1 of 1", "3 fit_undamped", "fit_undamped.py")


async def test_what_is_written_behind_the_key_that_opens_a_form_is_in_it(make_app: Any, engine: Engine) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await shows(pilot, "Nothing here yet")
        burst(pilot, "n", *"quiet", "enter", "q")
        await until(pilot, lambda: isinstance(app.focused, TextArea) and app.focused.text == "quiet\nq")


async def test_what_was_typed_comes_in_its_order(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 40)) as pilot:
        await shows(pilot, "Make a plan")
        text = "abcdefghijklmnopqrstuvwxyz0123456789" * 5
        burst(pilot, "slash", *text)
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value == text, text_of(app))


async def test_a_burst_that_closes_what_it_was_typed_into_goes_on_behind_it(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 40)) as pilot:
        await shows(pilot, "Make a plan")
        burst(pilot, "question_mark", "escape", "ctrl+p", "escape", "slash", *"report", "enter")
        await shows(pilot, "3 report", "found 1 of 1")


async def test_keys_go_on_when_what_was_to_be_opened_is_not_there(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "Is this oscillator damped?")
        app.open_run("00000000-0000-7000-8000-00000000dead")
        burst(pilot, "question_mark")
        await shows(pilot, "there is no run", "Keys")


def test_what_was_typed_elsewhere_is_no_draft_of_the_form(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "redo", new_id())
    kept.save({"feedback": "Begin at the periodogram's peak."})
    form = NewSession(task="Is it damped?")
    Drafts(tmp_path).save(form)
    drafts = Drafts(tmp_path)
    assert drafts.take() == form
    drafts.discard()
    assert drafts.take() is None
    assert kept.read() == {"feedback": "Begin at the periodogram's peak."}
