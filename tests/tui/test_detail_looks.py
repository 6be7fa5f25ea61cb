"""How the detail pane looks: `pytest --snapshot-update` after a look at the report when it changes on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.scrollbar import ScrollBar

from cmbagent_tui.screens.run import RunScreen
from cmbagent_tui.widgets.dag.view import DagView
from engine.engine import Engine
from tests.tui.conftest import engine_at
from tests.tui.detail_seed import MARKDOWN, png, recorded, say, tried_twice, wrote
from tests.tui.looking import shows
from tests.tui.seed import Seed
from tests.tui.test_snapshots import SIZES, Compare, SeededApp


class StudiedApp(SeededApp):
    """A run whose step `data` was tried twice, talked about, and left files of every kind."""

    async def _seeded(self) -> Engine:
        engine = engine_at(self._seeded_at)
        await engine.open()
        seed = Seed(engine._store, engine._blobs)  # pyright: ignore[reportPrivateUsage]
        await tried_twice(seed)
        await say(seed, "data", "user", "Simulate the measurement: *50 times*, with noise.")
        await say(seed, "data", "assistant", MARKDOWN, "engineer")
        await say(seed, "data", "tool", "exit 0\ngamma = 0.1371\n", "run_code")
        await recorded(seed, "data", 1, replayed=True)
        await recorded(seed, "data", 2, kind="tool", name="run_code")
        await recorded(seed, "data", 3, kind="tool", name="run_code", answer=None)
        await wrote(seed, "data", "a_picture.png", "figure", png(96, 64))
        self._seed_run = seed.run.id
        return engine


def on_data(*keys: str, then: tuple[str, ...]) -> Any:
    """On the step `data`, after some keys."""

    async def before(pilot: Pilot[Any]) -> None:
        await shows(pilot, "executing")
        screen = pilot.app.screen
        assert isinstance(screen, RunScreen) and screen.board is not None
        node = next(card.node for card in screen.board.ordered() if card.node.step == "data")
        screen.query_one(DagView).select(node.id, by_hand=True)
        await pilot.press(*keys)
        await shows(pilot, *then)
        await pilot.pause(0.3)

    return before


TABS: dict[str, Callable[..., Any]] = {
    "summary": on_data("4", then=("Attempt 2",)),
    "messages": on_data("9", "g", then=("What I did",)),
    "journal": on_data("J", then=("outcome unknown",)),
    "files": on_data("8", then=("a_picture.png  186 bytes", "▀▀▀")),
    "attempts": on_data("D", then=("attempt 1 and attempt 2", "Summary")),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tab", TABS)
def test_looks(snap_compare: Compare, tmp_path: Path, tab: str, size: str) -> None:
    if tab == "files":
        pytest.importorskip("PIL")
    assert snap_compare(StudiedApp(tmp_path, ""), terminal_size=SIZES[size], run_before=TABS[tab])


@pytest.mark.parametrize("tab", ["messages", "journal"])
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, tab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScrollBar, "renderer", ScrollBar.renderer)  # the app sets it for its process
    app = StudiedApp(tmp_path, "", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=TABS[tab])
