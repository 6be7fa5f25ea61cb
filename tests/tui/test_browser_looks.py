"""How the browser of sessions looks: `pytest --snapshot-update` after a look when it changes on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.looking import settles, shows
from tests.tui.test_snapshots import SIZES, Compare, SeededApp

KEYS: dict[str, tuple[tuple[str, ...], str]] = {
    "unfolded": (("l",), "00000001"),
    "finding": (("slash", *"state:w pla"), "Planck"),
    "wrong query": (("slash", *"state:odd"), "no state:odd"),
    "tagging": (("t",), "Tags of this session"),
    "deleting": (("x",), "Until it is pruned"),
}


def before(name: str) -> Any:
    keys, then = KEYS[name]

    async def ready(pilot: Pilot[Any]) -> None:
        await shows(pilot, "3 sessions", "Planck")
        await pilot.press(*keys)
        await shows(pilot, then)
        await settles(pilot)

    return ready


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", KEYS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, size: str) -> None:
    assert snap_compare(SeededApp(tmp_path, "home"), terminal_size=SIZES[size], run_before=before(name))


@pytest.mark.parametrize("name", ["unfolded", "finding"])
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, name: str) -> None:
    app = SeededApp(tmp_path, "home", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before(name))


def test_looks_without_colour(snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = SeededApp(tmp_path, "home")
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before("unfolded"))
