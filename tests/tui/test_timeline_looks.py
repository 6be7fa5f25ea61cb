"""How the timeline looks: `pytest --snapshot-update` after a look at the report when it changes on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.looking import settles, shows
from tests.tui.test_snapshots import SIZES, Compare, SeededApp, waiting_for

KEYS = {
    "spans": ("running", ("2",), "run_code"),
    "folded": ("done", ("2", "U"), "▸◆"),
    "errors": ("failed", ("2", "exclamation_mark"), "errors only"),
    "filtering": ("done", ("2", "slash", *"step:fit kind:code kind:file"), "kind:file"),
    "looking elsewhere": ("done", ("2", "colon", *"0:12", "enter", "h"), "0:13"),
}


def before(name: str) -> Any:
    _, keys, then = KEYS[name]

    async def ready(pilot: Pilot[Any]) -> None:
        await waiting_for("sandbox: limits", keys=keys, then=())(pilot)
        await shows(pilot, *(() if pilot.app.has_class("-ascii") else (then,)))
        await settles(pilot)

    return ready


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", KEYS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, size: str) -> None:
    app = SeededApp(tmp_path, KEYS[name][0])
    assert snap_compare(app, terminal_size=SIZES[size], run_before=before(name))


@pytest.mark.parametrize("name", ["spans", "errors"])
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, name: str) -> None:
    app = SeededApp(tmp_path, KEYS[name][0], ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before(name))


def test_looks_without_colour(snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = SeededApp(tmp_path, KEYS["errors"][0])
    assert snap_compare(app, terminal_size=SIZES["wide"], run_before=before("errors"))
