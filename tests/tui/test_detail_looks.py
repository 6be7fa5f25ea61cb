"""How the detail pane looks: `pytest --snapshot-update` after a look at the report when it changes on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.scrollbar import ScrollBar

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.state.board import Board
from cmbagent_tui.themes import DARK
from cmbagent_tui.widgets.detail.outside import compare_shown
from cmbagent_tui.widgets.detail.view import NodeDetail
from cmbagent_tui.widgets.plain import PlainScrollBar
from engine.engine import Engine
from tests.tui.conftest import clock, engine_at
from tests.tui.detail_seed import MARKDOWN, png, recorded, say, tried_twice, wrote
from tests.tui.looking import settles, shows
from tests.tui.seed import Seed

SIZES = {"wide": (120, 40), "narrow": (80, 24)}
Compare = Callable[..., bool]


class StudiedApp(App[None]):
    """Nothing but the details of a step that was tried twice, talked about, and left files of every kind: as wide as in
    the run's screen."""

    CSS_PATH = CockpitApp.CSS_PATH
    CSS = """
    NodeDetail { width: 50%; border: round $primary; padding: 0 1; }
    .-narrow NodeDetail { width: 100%; }
    """
    HORIZONTAL_BREAKPOINTS = CockpitApp.HORIZONTAL_BREAKPOINTS
    VERTICAL_BREAKPOINTS = CockpitApp.VERTICAL_BREAKPOINTS

    def __init__(self, home: Path, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._home, self._ascii = home, ascii_only
        self._engine: Engine | None = None
        if ascii_only:
            ScrollBar.renderer = PlainScrollBar
        self.register_theme(DARK)
        self.theme = DARK.name

    async def on_mount(self) -> None:
        self.set_class(self._ascii, "-ascii")
        engine = self._engine = engine_at(self._home)
        await engine.open()
        seed = Seed(engine._store, engine._blobs)  # pyright: ignore[reportPrivateUsage]
        await studied(seed)
        detail = NodeDetail(engine, clock, ascii_only=self._ascii, id="detail")
        detail.border_title = "3 data"
        await self.mount(detail)
        detail.show(Board.from_view(await engine.view(seed.run.id)), seed.nodes["data"].id)

    async def on_unmount(self) -> None:
        if self._engine is not None:
            await self._engine.close()


async def studied(seed: Seed) -> None:
    await tried_twice(seed)
    await say(seed, "data", "user", "Simulate the measurement: *50 times*, with noise.")
    await say(seed, "data", "assistant", MARKDOWN, "engineer")
    await say(seed, "data", "tool", "exit 0\ngamma = 0.1371\n", "run_code")
    await recorded(seed, "data", 1, replayed=True)
    await recorded(seed, "data", 2, kind="tool", name="run_code")
    await recorded(seed, "data", 3, kind="tool", name="run_code", answer=None)
    await wrote(seed, "data", "a_picture.png", "figure", png(96, 64))


def on_tab(tab: str, *keys: str, then: tuple[str, ...], first: str = "") -> Any:
    """On a tab, after some keys once it shows something."""

    async def before(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Attempt 2")
        await settles(pilot)  # the pane is as wide as it will be
        detail = pilot.app.query_one(NodeDetail)
        detail.show_tab(tab)
        detail.focus_inside()
        await shows(pilot, first)
        await pilot.press(*keys)
        await shows(pilot, *then)
        await settles(pilot)

    return before


TABS: dict[str, Callable[..., Any]] = {
    "summary": on_tab("summary", then=("Attempt 2",)),
    "plan": on_tab("plan", then=("50 measurements",)),
    "code": on_tab("code", then=("Simulate.",)),
    "messages": on_tab("messages", "g", first="run_code  tool", then=("What I did",)),
    "journal": on_tab("journal", then=("outcome unknown",)),
    "files": on_tab("files", then=("a_picture.png  186 bytes", "▀▀▀")),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tab", TABS)
def test_looks(snap_compare: Compare, tmp_path: Path, tab: str, size: str) -> None:
    if tab == "files":
        pytest.importorskip("PIL")
    assert snap_compare(StudiedApp(tmp_path), terminal_size=SIZES[size], run_before=TABS[tab])


@pytest.mark.parametrize("size", SIZES)
def test_looks_of_two_attempts(snap_compare: Compare, tmp_path: Path, size: str) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Attempt 2")
        await compare_shown(pilot.app.query_one(NodeDetail))
        await shows(pilot, "attempt 1 and attempt 2", "Summary")
        await settles(pilot)

    assert snap_compare(StudiedApp(tmp_path), terminal_size=SIZES[size], run_before=before)


@pytest.mark.parametrize("tab", ["messages", "journal"])
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, tab: str) -> None:
    app = StudiedApp(tmp_path, ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=TABS[tab])
