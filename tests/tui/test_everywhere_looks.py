"""How what one meets everywhere looks: at both sizes, in ASCII, without colour, in light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import settings_at
from tests.tui.looking import settles, shows
from tests.tui.test_snapshots import AT_HOME, SIZES, Compare, SeededApp, waiting_for

ENTRIES = (
    "2031-05-06T07:08:09.000Z 4711 info the database was opened",
    "2031-05-06T07:08:10.000Z 4711 slow the loop was held up for 34 ms by",
    '      File "view.py", line 12, in render_line',
    "2031-05-06T07:08:11.000Z 4712 error StorageError('the disk is full')",
    "2031-05-06T07:08:12.000Z 4711 info run 01234567 of another process has ended",
)


async def filled_log(pilot: Pilot[Any]) -> None:
    await shows(pilot, *AT_HOME)
    file: Path = pilot.app.records.file
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(ENTRIES) + "\n")
    await pilot.press("L")
    await shows(pilot, "disk is full")
    await pilot.press("up")
    await settles(pilot)


SCREENS: dict[str, tuple[str, Any]] = {
    "palette": ("home", waiting_for(*AT_HOME, keys=("ctrl+p", "e"), then=("found", "session"))),
    "all keys": ("home", waiting_for(*AT_HOME, keys=("question_mark", "a"), then=("whole program",))),
    "settings": (
        "home",
        waiting_for(*AT_HOME, keys=("comma", "down", "enter", "x"), then=("must be like agent=",)),
    ),
    "jump": ("done", waiting_for("7/7 steps", "the numbers agree", keys=("ctrl+o",), then=(" a ",))),
    "log": ("home", filled_log),
}
LOOKS = {
    "wide": (SIZES["wide"], {}, False),
    "narrow": (SIZES["narrow"], {}, False),
    "ascii": (SIZES["narrow"], {}, True),
    "no colour": (SIZES["narrow"], {"NO_COLOR": "1"}, False),
    "the terminal's colours": (SIZES["narrow"], {"TEXTUAL_THEME": "ansi-dark"}, False),
    "light": (SIZES["wide"], {"TEXTUAL_THEME": "cmbagent-light"}, False),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", SCREENS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, before = SCREENS[name]
    size, environ, ascii_only = LOOKS[look]
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    app = SeededApp(tmp_path, stage, ascii_only=ascii_only, settings=settings_at(tmp_path))
    assert snap_compare(app, terminal_size=size, run_before=before)
