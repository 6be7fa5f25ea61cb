"""How the form of a new session looks: `pytest --snapshot-update` after a look when it changes on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.looking import settles, shows
from tests.tui.test_snapshots import AT_HOME, SIZES, Compare, SeededApp


async def filled(pilot: Pilot[Any]) -> None:
    await shows(pilot, *AT_HOME)
    await pilot.press("n")
    await shows(pilot, "What is to be found out?")
    await pilot.press(*"Is it damped?", "tab", "tab", "tab", *"gpt", "tab", "tab", *"0", "tab", *"nowhere.csv")
    await shows(pilot, "does not name", "more than 0", "there is no file")
    await settles(pilot)


@pytest.mark.parametrize("size", SIZES)
def test_looks(snap_compare: Compare, tmp_path: Path, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CMBAGENT_MODEL", "openai:gpt-5")
    assert snap_compare(SeededApp(tmp_path, "home"), terminal_size=SIZES[size], run_before=filled)


def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CMBAGENT_MODEL", "openai:gpt-5")
    app = SeededApp(tmp_path, "home", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=filled)
