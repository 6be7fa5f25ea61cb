"""Every binding does something that is seen, or says why not. The keys are those of the bindings themselves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.keymap.catalogue import every_key
from cmbagent_tui.screens.confirm import QuitScreen
from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.state.remembered import HomePlace
from engine.model.records import Run
from tests.tui.branch_seed import branch_of
from tests.tui.detail_seed import tried_twice
from tests.tui.looking import shows, until
from tests.tui.seed import Seed
from tests.tui.test_inbox import INSTALL, another, asks
from tests.tui.test_rules_screen import custom

PATIENCE = 10.0  # seconds for a key to be answered: nearly all are within a hundredth of that
SIZE = (110, 30)
# These leave the terminal to a shell or to another program, which tests in a real terminal see.
LEAVES = {"app.quit", "app.stop", "run.open", "run.editor", "approval.edit", "approval.editor", "redo.edit"}
# Where a key has nothing to do at first: what is pressed before it.
BEFORE: dict[str, tuple[str, ...]] = {
    "home.leave": ("slash", *"damped", "enter"),
    "home.fold": ("right",),
    "home.undo": ("a",),
    "dag.left": ("home", "down", "down", "down", "right"),
    "dag.right": ("home", "down", "down", "down"),
    "dag.down": ("home",),
    "dag.up": ("end",),
    "dag.next": ("slash", *"fit", "enter"),
    "dag.before": ("slash", *"fit", "enter"),
    "dag.leave": ("z",),
    "dag.wider": ("z",),
    "dag.nearer": ("z", "plus"),
    "timeline.leave": ("exclamation_mark",),
    "timeline.into": ("home", "left"),
    "run.next_pane": ("1",),
    "run.dag": ("2",),
    "run.back": ("2",),
    "run.tab_summary": ("5",),
    "costs.by_step": ("1",),
    "compare.all": ("2",),
    "branches.origin": ("end", "up"),
    "branches.branch": ("home",),
    "files.above": ("ctrl+d",),
    "plan.up": ("end",),
    "plan.down": ("home",),
    "plan.undo": ("x",),
}
# What is pressed after a key, so that the others find what they are for.
AFTER: dict[str, tuple[str, ...]] = {
    "home.shelf": ("v", "v"),
    "timeline.errors": ("escape",),
    "timeline.filter": ("escape",),
    "timeline.place": ("escape",),
    "dag.find": ("escape",),
    "timeline.step": ("escape",),
    "dag.zoom": ("z",),
    "dag.list": ("v",),
}
LAST = {"plan.approve"}  # then there is nothing to be at any more
# Keys that move within something: they are tried from its other end.
FROM_END = {"up", "page_up", "first", "top", "above"}
FROM_START = {"down", "page_down", "last", "bottom", "below"}

Ready = Callable[[Pilot[Any]], Awaitable[None]]


@dataclass(frozen=True)
class Place:
    """Somewhere to be: what is laid into the store, how one gets there from home or the run, whose keys are tried."""

    seeded: str
    keys: tuple[str, ...]
    shown: tuple[str, ...]
    whose: tuple[str, ...]
    on_run: bool = True

    def has(self, binding_id: str) -> bool:
        return binding_id in self.whose or binding_id.partition(".")[0] in self.whose


PLACES = {
    "nothing at all": Place("nothing", (), ("Nothing here yet",), ("home", "app"), on_run=False),
    "home": Place("sessions", (), ("session",), ("home", "list", "app"), on_run=False),
    "finding": Place("sessions", ("slash", "d"), ("mode:one-shot",), ("find",), on_run=False),
    "renaming": Place("sessions", ("e",), ("Rename this session",), ("line",), on_run=False),
    "the form": Place("sessions", ("n",), ("approval",), ("new",), on_run=False),
    "a choice": Place("sessions", ("n", "tab"), ("approval",), ("choice",), on_run=False),
    "steps": Place("run", ("1",), ("7/7 steps",), ("run", "dag", "app")),
    "timeline": Place("run", ("2",), ("7/7 steps",), ("timeline",)),
    "a text": Place("run", ("5",), ("does",), ("text",)),
    "files": Place("run", ("8",), ("codebase",), ("files", "list")),
    "costs": Place("run", ("dollar_sign",), ("of run",), ("costs", "list.open")),
    "branches": Place("run", ("T",), ("2 runs, 1 branch",), ("branches", "list.open")),
    "comparing": Place("run", ("T", "end", "D"), ("run 00000001 with", "Steps"), ("compare",)),
    "two attempts": Place("tried", ("1", "home", "down", "down", "D"), ("attempt 1 and attempt 2",), ("attempts",)),
    "a redo": Place("run", ("1", "end", "up", "R"), ("Do report again",), ("redo",)),
    "the inbox": Place(
        "asked", ("A",), ("approvals waiting for you", "a approve"), ("inbox", "list.open"), on_run=False
    ),
    "an approval": Place("asked", ("A", "enter"), ("a approve", "esc later"), ("approval",), on_run=False),
    "feedback": Place("asked", ("A", "r"), ("ctrl+r send",), ("feedback",), on_run=False),
    "the rules": Place("ruled", ("r",), ("mode custom", "otherwise"), ("rules",)),
    "a mode": Place("ruled", ("r", "m"), ("before_each_step",), ("mode",)),
    "a plan": Place("planned", ("A", "e"), ("a approve", "w "), ("plan",), on_run=False),
    "a step of it": Place("planned", ("A", "e", "e"), ("esc",), ("step",), on_run=False),
    "its wires": Place("planned", ("A", "e", "end", "w"), ("esc",), ("wire",), on_run=False),
    "the palette": Place("sessions", ("ctrl+p",), ("found",), ("palette",), on_run=False),
    "letters": Place("run", ("ctrl+o",), (" a ",), ("jump",)),
    "settings": Place("sessions", ("comma",), ("approval",), ("settings", "list.open"), on_run=False),
    "the log": Place("sessions", ("L",), ("esc close",), ("log",), on_run=False),
    "help": Place("sessions", ("question_mark",), ("all keys, or those of here",), ("help",), on_run=False),
    "a question": Place("sessions", ("x",), ("Delete",), ("confirm",), on_run=False),
    "quitting": Place("sessions", (), ("leave it running",), ("quit",), on_run=False),
}


async def lay_out(seeded: str, seed: Seed) -> Run | None:
    """Fill the store; give the run that is opened."""
    match seeded:
        case "nothing":
            return None
        case "planned":
            await seed.wait_for_approval()
        case "ruled":
            await custom(seed).approve()
        case "tried":
            await tried_twice(seed)
        case "asked":
            await seed.approve()
            for number in range(12):
                await asks(seed, "tool", shown={**INSTALL, "arguments": {"command": f"pip install p{number}\n" * 40}})
        case _:
            await seed.finish()
            if seeded == "run":
                await branch_of(seed, 2, "fit_damped", "another way").begin()
            for number in range(3, 7):  # one is archived, one is deleted
                await another(seed, number).begin()
    return seed.run


def seen(app: CockpitApp) -> object:
    """What a person could notice: the picture with its colours, what was said, what was copied."""
    strips = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage]
    painted = [(segment.text, segment.style) for strip in strips for segment in strip]
    return painted, [one.message for one in app._notifications], app.clipboard


async def still(pilot: Pilot[Any]) -> object:
    """Wait until two looks are alike; give the last."""
    before = None
    while (now := seen(pilot.app)) != before:
        before = now
        await pilot.pause(0.03)
    return now


async def changes(pilot: Pilot[Any], before: object) -> bool:
    """Whether something is seen that was not."""
    deadline = time.monotonic() + PATIENCE
    while seen(pilot.app) == before:
        if time.monotonic() > deadline:
            return False
        await pilot.pause(0.01)
    return True


async def go(pilot: Pilot[Any], name: str, run: Run | None) -> None:
    """Go to a place, wherever one is, with nothing said."""
    app, place = pilot.app, PLACES[name]
    while len(app.screen_stack) > 1 and not (place.on_run and isinstance(app.screen, RunScreen)):
        await pilot.press("escape")
        await pilot.pause()
    if place.on_run and run is not None:
        app.open_run(run.id)
        await until(pilot, lambda: getattr(app.screen, "board", None))
    elif run is not None:
        app.remembered.home = HomePlace()
        app._home.action_leave()
        await shows(pilot, "session")
        await until(pilot, lambda: app.focused is app._home._rows or app._home._rows.focus())
        await pilot.press("home")
    if name == "quitting":
        app.push_screen(QuitScreen("Run 1 is"))
    for key in place.keys:
        await pilot.press(key)
        await still(pilot)
    await shows(pilot, *place.shown)
    app.clear_notifications()


def start(binding_id: str) -> tuple[str, ...]:
    """What is pressed before a key, so that it has something to do."""
    if binding_id in BEFORE:
        return BEFORE[binding_id]
    move = binding_id.partition(".")[2]
    return ("end",) if move in FROM_END else ("home",) if move in FROM_START else ()


@pytest.mark.parametrize("name", PLACES)
async def test_every_key_does_something_or_says_why_not(
    make_app: Any, seed: Seed, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # an export is written here
    for program in ("EDITOR", "VISUAL", "PAGER"):
        monkeypatch.setenv(program, "true")
    run, place = await lay_out(PLACES[name].seeded, seed), PLACES[name]

    async def demo(_: Any) -> str:
        return seed.run.id

    silent: list[str] = []
    app = make_app(start_demo=demo)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await shows(pilot, "Nothing here yet" if run is None else "session")
        await go(pilot, name, run)
        keys = {
            one.binding.id: key
            for key, one in reversed(app.screen.active_bindings.items())
            if one.enabled and one.binding.id and place.has(one.binding.id)
        }
        assert keys
        here, focused = app.screen, app.focused
        for binding_id, key in sorted(keys.items(), key=lambda one: (one[0] in LAST, one)):
            if binding_id in LEAVES:
                continue
            await still(pilot)
            if app.screen is not here or app.focused is not focused:
                await go(pilot, name, run)
                here, focused = app.screen, app.focused
            await pilot.press(*start(binding_id))
            app.clear_notifications()
            before = await still(pilot)
            await pilot.press(key)
            if not await changes(pilot, before):
                silent.append(f"{binding_id} ({key})")
            await pilot.press(*AFTER.get(binding_id, ()))
    assert not silent, silent


def test_there_is_a_place_for_every_key() -> None:
    tried = {whose.partition(".")[0] for place in PLACES.values() for whose in place.whose}
    assert {key.place for key in every_key()} == tried
