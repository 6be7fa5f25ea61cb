"""How what one meets everywhere looks: at both sizes, in ASCII, without colour, in light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.scrollbar import ScrollBar

from tests.tui.conftest import settings_at
from tests.tui.test_snapshots import SIZES, Compare, SeededApp, waiting_for

SCREENS: dict[str, tuple[str, Any]] = {
    "palette": ("home", waiting_for("3 sessions", keys=("ctrl+p", "e"), then=("found", "session"))),
    "all keys": ("home", waiting_for("3 sessions", keys=("question_mark", "a"), then=("whole program",))),
    "settings": (
        "home",
        waiting_for("3 sessions", keys=("comma", "down", "enter", "x"), then=("must be like agent=",)),
    ),
}
LOOKS = {
    "wide": (SIZES["wide"], {}, False),
    "narrow": (SIZES["narrow"], {}, False),
    "ascii": (SIZES["narrow"], {}, True),
    "no colour": (SIZES["narrow"], {"NO_COLOR": "1"}, False),
    "light": (SIZES["wide"], {"TEXTUAL_THEME": "cmbagent-light"}, False),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", SCREENS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScrollBar, "renderer", ScrollBar.renderer)  # the app sets it for its process
    stage, before = SCREENS[name]
    size, environ, ascii_only = LOOKS[look]
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    app = SeededApp(tmp_path, stage, ascii_only=ascii_only, settings=settings_at(tmp_path))
    assert snap_compare(app, terminal_size=size, run_before=before)
