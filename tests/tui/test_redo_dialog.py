"""The redo dialog: what it tells beforehand, what can be written in it, and that nothing written is lost."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from cmbagent_tui.app import CockpitApp
from engine.model.records import RunView
from tests.engine.conftest import Lab
from tests.support.journals import code, says, step, writes
from tests.tui.conftest import clock, settings_at
from tests.tui.looking import hides, settles, shows, text_of, until
from tests.tui.test_snapshots import SIZES, Compare, SeededApp


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with AsyncExitStack() as stack:
        yield Lab(tmp_path, stack)


async def at_a_finished_run(lab: Lab, tmp_path: Path, *, instructions: list[str]) -> tuple[CockpitApp, Any, RunView]:
    """An app on an engine that carries things out, and a run of two steps that is over."""
    lab.journal.does("a", code("open('a.txt', 'w').write('1')", "make.py"), says("done"))
    lab.journal.does("b", writes("b.txt", "b"), says("done"))
    engine = await lab.engine()
    run, view = await lab.carry_out(engine, step("a", instructions=instructions), step("b", "a"), max_redos=2)

    async def opened() -> Any:
        return engine

    async def first(_: Any) -> str:
        return run.id

    state, settings = tmp_path / "state", settings_at(tmp_path)
    return CockpitApp(opened, first=first, state_dir=state, settings=settings, clock=clock, guard=0.0), engine, view


async def open_on_a(pilot: Pilot[Any]) -> None:
    """The redo dialog of the first step."""
    await shows(pilot, "2/2 steps")
    await pilot.press("1", "g", "R")
    await shows(pilot, "Do a again")


def area(pilot: Pilot[Any], name: str) -> TextArea:
    return pilot.app.screen.query_one(f"#redo-{name}", TextArea)


async def test_a_step_is_done_again_with_a_word_other_instructions_and_another_program(
    lab: Lab, tmp_path: Path
) -> None:
    app, engine, before = await at_a_finished_run(lab, tmp_path, instructions=["Write one.", "Two\nlines."])
    async with app.run_test(size=(80, 24)) as pilot:
        await open_on_a(pilot)
        await shows(pilot, "Back to pending: a, 1 attempt so far", "and b, 1 attempt so far", "2 of 2 redos")
        await pilot.press(*"Look twice")
        await pilot.press("tab")
        await shows(pilot, "- Write one.", "- Two", "  lines.")
        area(pilot, "instructions").text = "- Write two."
        await pilot.press("tab")
        await shows(pilot, "open('a.txt', 'w')", "Instructions (edited)")
        area(pilot, "program").text = "open('a.txt', 'w').write('2')"
        await pilot.press("ctrl+r")
        await hides(pilot, "Do a again")
        await until(pilot, lambda: engine.trouble(before.run.id) is None)
        await engine.wait(before.run.id)
        view = await engine.view(before.run.id)
        assert view.run.plan["steps"][0]["instructions"] == ["Write two."]
        assert [one.feedback for one in view.attempts if one.number == 2] == ["Look twice", None, None]
        assert [engine.blob(one.sha256) for one in view.artifacts if one.path == "a.txt"] == [b"1", b"2"]
        await shows(pilot, "redo 1 of a")
        assert not list((tmp_path / "state" / "drafts").iterdir())


async def test_what_was_written_is_there_again_and_an_edit_that_cannot_be_is_said_with_its_cause(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, engine, before = await at_a_finished_run(lab, tmp_path, instructions=["Write one."])
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf 'for \\033[31mx\\n' > \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setitem(os.environ, "EDITOR", str(editor))
    monkeypatch.delitem(os.environ, "VISUAL", raising=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await open_on_a(pilot)
        await pilot.press(*"one", "enter", *"two", "escape")
        await hides(pilot, "Do a again")
        await pilot.press("R")
        await shows(pilot, "Do a again")
        assert area(pilot, "feedback").text == "one\ntwo"
        await pilot.press("shift+tab", "f4")
        await until(pilot, lambda: area(pilot, "program").text == "for x", "the editor's text, made safe")
        await pilot.press("ctrl+s")
        await shows(pilot, "the edited program is not Python: line 1")
        await pilot.press("escape")
        await hides(pilot, "Do a again")
        assert await engine.view(before.run.id) == before
        await pilot.press("R")
        await shows(pilot, "Do a again", "Program (edited)")
        assert (area(pilot, "feedback").text, area(pilot, "program").text) == ("one\ntwo", "for x")


async def test_what_is_no_step_cannot_be_redone_and_a_limit_is_said(lab: Lab, tmp_path: Path) -> None:
    app, engine, before = await at_a_finished_run(lab, tmp_path, instructions=["Write one."])
    for _ in range(2):
        await engine.redo(before.run.id, "a")
        await engine.wait(before.run.id)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "2/2 steps")
        await pilot.press("1", "G", "R")
        await shows(pilot, "Select a step: only")
        first = next(node.id for node in before.nodes if node.step == "a")
        app.open_run(before.run.id, first)
        await pilot.press("R")
        await shows(pilot, "max_redos, 2, is reached", "0 of 2 redos")
        await pilot.press("ctrl+r")
        await settles(pilot)
        assert "Do a again" in text_of(app)


async def before_picture(pilot: Pilot[Any]) -> None:
    await shows(pilot, "7/7 steps", "the numbers agree")
    await pilot.press("slash", *"fit_damped", "enter")
    await settles(pilot)
    await pilot.press("R")
    await shows(pilot, "Do fit_damped again")
    await pilot.press(*"Use the second column.", "tab")
    await shows(pilot, "- Weighted")
    await settles(pilot)


@pytest.mark.parametrize("size", SIZES)
def test_looks(snap_compare: Compare, tmp_path: Path, size: str) -> None:
    assert snap_compare(SeededApp(tmp_path, "done"), terminal_size=SIZES[size], run_before=before_picture)


def test_looks_in_ascii(snap_compare: Callable[..., bool], tmp_path: Path) -> None:
    app = SeededApp(tmp_path, "done", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before_picture)
