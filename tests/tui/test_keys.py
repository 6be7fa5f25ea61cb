"""The key map: every binding can be named and explained, none is eaten by tmux, and help shows them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.keymap.catalogue import every_key, owners
from cmbagent_tui.screens.branch_tree import BranchTreeScreen
from cmbagent_tui.screens.costs import CostsScreen
from cmbagent_tui.screens.home import HomeScreen
from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.settings import Settings
from cmbagent_tui.widgets.dag.view import DagView
from cmbagent_tui.widgets.detail.prose import Prose
from tests.tui.looking import hides, shows, text_of
from tests.tui.seed import Seed

PLACES = tuple(owners())
# tmux and terminals turn these into other keys: backspace, tab, enter, escape, line feed; and ctrl+s may stop output.
FORBIDDEN = {"ctrl+h", "ctrl+i", "ctrl+m", "ctrl+left_square_bracket", "ctrl+[", "ctrl+j", "ctrl+s"}


def bindings(place: Any) -> list[Binding]:
    return [one if isinstance(one, Binding) else Binding(*one) for one in place.__dict__.get("BINDINGS", ())]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_every_binding_has_an_id_a_tooltip_and_a_key_that_arrives(place: Any) -> None:
    assert bindings(place)
    for one in bindings(place):
        assert one.id and one.tooltip, one
        assert not {key.strip() for key in one.key.split(",")} & FORBIDDEN, one


def test_ids_are_unique() -> None:
    ids = [one.id for place in PLACES for one in bindings(place)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "place", [HomeScreen, RunScreen, CostsScreen, BranchTreeScreen], ids=lambda place: place.__name__
)
def test_no_key_of_a_screen_hides_one_of_the_app(place: Any) -> None:
    app = {key for one in bindings(CockpitApp) for key in one.key.split(",")}
    assert not app & {key for one in bindings(place) for key in one.key.split(",")}


async def test_help_lists_the_keys_of_what_has_the_focus(make_app: Any, seed: Seed) -> None:
    await seed.finish()
    app = make_app(seed.run.id)
    async with app.run_test(size=(120, 100), notifications=True) as pilot:
        await shows(pilot, "7/7 steps")
        await pilot.press("question_mark")
        await shows(pilot, "Keys")
        shown = text_of(app)
        for one in (*bindings(DagView), *bindings(RunScreen), *bindings(CockpitApp)):
            assert one.tooltip in shown, one
        assert not any(one.tooltip in shown for one in bindings(Prose))
        await pilot.press("escape", "3", "question_mark")
        await shows(pilot, "In a text", "A line down")


async def test_help_has_a_sheet_of_all_keys(make_app: Any) -> None:
    app = make_app()
    async with app.run_test(size=(100, 400), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("f1", "a")
        await shows(pilot, "Keys of the whole program", "Approval", "Timeline")
        shown = text_of(app)
        assert not [one.id for one in every_key() if one.what not in shown]
        await pilot.press("a")
        await hides(pilot, "Timeline")


async def test_a_persons_own_keys_take_the_place_of_others(make_app: Any, tmp_path: Path) -> None:
    keys = {"app": {"help": "f5"}, "help.close": "x", "home.demo": "q", "home.old": "o"}
    app = make_app(settings=Settings(tmp_path, {}, {"keys": keys}, {}))
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await shows(
            pilot, "Nothing here yet", "keys.home.demo: q would hide app.quit", "keys.home.old: there is no such"
        )
        await pilot.press("f1")
        await pilot.pause()
        assert app.screen is app._home
        await pilot.press("f5")
        await shows(pilot, "x close", "Everywhere", "f5")
        await pilot.press("x")
        await hides(pilot, "x close")


async def test_the_palette_has_the_commands(make_app: Any) -> None:
    app = make_app()
    async with app.run_test(size=(100, 60), notifications=True) as pilot:
        await shows(pilot, "Nothing here yet")
        await pilot.press("ctrl+p")
        await shows(pilot, "start a new session", "waits for your approval", "what was spent")
        await pilot.press(*"colours")  # it is further down
        await shows(pilot, "other colours")


async def test_a_defect_says_so_in_words_and_keeps_the_details(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        secret = "sk-very-secret"
        raise RuntimeError(f"a defect with {len(secret)} letters")

    monkeypatch.setattr(CockpitApp, "action_approvals", broken)
    app = make_app()
    with pytest.raises(RuntimeError):
        async with app.run_test(size=(100, 30)) as pilot:
            await shows(pilot, "Nothing here yet")
            await pilot.press("A")
            await pilot.pause()
    kept = (app.state_dir / "defect.txt").read_text()
    assert "a defect with 14 letters" in kept and "sk-very-secret" not in kept.replace('secret = "sk-very-secret"', "")
    assert app.return_code == 1
