"""How the branch tree and a comparison look: `pytest --snapshot-update` after a look when they change on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.engine import Engine
from tests.tui.branch_seed import seeded_tree
from tests.tui.conftest import engine_at, settings_at
from tests.tui.looking import settles, shows
from tests.tui.seed import Seed
from tests.tui.test_snapshots import SIZES, Compare, SeededApp

KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "tree": (("T",), ("6 runs", "came from")),
    "branch": (("T", "m", "l"), ("6 runs", "Evidence, not chi")),
    "compare": (("T", "D"), ("run 00000001 with", "Steps")),
    "differences": (("T", "D", "2"), ("1 of 7 differ",)),
}


class BranchedApp(SeededApp):
    """A session of six runs, on the second of them."""

    async def _seeded(self) -> Engine:
        engine = engine_at(self._seeded_at)
        await engine.open()
        runs = await seeded_tree(Seed(engine._store, engine._blobs))  # pyright: ignore[reportPrivateUsage]
        self._seed_run = runs[1].id
        return engine


def before(name: str) -> Any:
    keys, then = KEYS[name]

    async def ready(pilot: Pilot[Any]) -> None:
        await shows(pilot, "failed")
        await settles(pilot)
        for key in keys:
            await pilot.press(key)
            await settles(pilot)
        await shows(pilot, *then)

    return ready


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", KEYS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, size: str) -> None:
    assert snap_compare(BranchedApp(tmp_path, ""), terminal_size=SIZES[size], run_before=before(name))


@pytest.mark.parametrize("name", ["branch", "compare"])
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, name: str) -> None:
    app = BranchedApp(tmp_path, "", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before(name))


@pytest.mark.parametrize("look", [{"NO_COLOR": "1"}, {"TEXTUAL_THEME": "cmbagent-light"}], ids=["no colour", "light"])
@pytest.mark.parametrize("name", ["tree", "compare"])
def test_looks_of_other_terminals(
    snap_compare: Compare, tmp_path: Path, name: str, look: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in look.items():
        monkeypatch.setenv(variable, value)
    app = BranchedApp(tmp_path, "", settings=settings_at(tmp_path))
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before(name))
