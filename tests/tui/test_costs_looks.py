"""How the costs look: `pytest --snapshot-update` after a look when they change on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.engine import Engine
from tests.tui.conftest import engine_at, settings_at
from tests.tui.looking import settles, shows
from tests.tui.seed import Seed
from tests.tui.test_costs import spend
from tests.tui.test_snapshots import SIZES, Compare, SeededApp

KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "run": ((), ("of run", "fit_damped", "budget")),
    "models": (("w", "w", "5", "down"), ("of all sessions", "local:mine")),
    "days": (("w", "6"), ("of the session", "2031-05-29")),
}


class SpendingApp(SeededApp):
    """Three sessions that spent on several models and days, one of them within a budget."""

    async def _seeded(self) -> Engine:
        engine = engine_at(self._seeded_at)
        await engine.open()
        store, blobs = engine._store, engine._blobs  # pyright: ignore[reportPrivateUsage]
        first = Seed(store, blobs, options={"budget_micro": 9_000_000})
        await first.finish(fails="fit_damped")
        for day in range(24):
            dear = 20_000 * (1 + day * 7 % 11)
            await spend(first, dear, step="fit_damped", days=day, tokens=(9_000 + 700 * day, 900), agent="engineer")
        await spend(first, 410_000, step="report", days=11, model="anthropic:claude-sonnet-4-5", agent="researcher")
        await spend(first, None, step="report", days=18.5, model="local:mine", agent="researcher")
        for number, title in enumerate(("Does the lens agree with Planck?", "宇宙の [b]膨張[/b]"), 2):
            other = Seed(store, blobs, title=title, number=number)
            await other.begin()
            await spend(other, 90_000 * number, days=number)
        self._seed_run = first.run.id
        return engine


def before(name: str) -> Any:
    keys, then = KEYS[name]

    async def ready(pilot: Pilot[Any]) -> None:
        await shows(pilot, "failed")
        await settles(pilot)
        await pilot.press("dollar_sign")
        await shows(pilot, "of run")
        await pilot.press(*keys)
        await shows(pilot, *then)
        await settles(pilot)

    return ready


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", KEYS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, size: str) -> None:
    assert snap_compare(SpendingApp(tmp_path, ""), terminal_size=SIZES[size], run_before=before(name))


@pytest.mark.parametrize("name", ["run", "models"])
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, name: str) -> None:
    app = SpendingApp(tmp_path, "", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before(name))


@pytest.mark.parametrize("look", [{"NO_COLOR": "1"}, {"TEXTUAL_THEME": "cmbagent-light"}], ids=["no colour", "light"])
def test_looks_of_other_terminals(
    snap_compare: Compare, tmp_path: Path, look: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in look.items():
        monkeypatch.setenv(name, value)
    app = SpendingApp(tmp_path, "", settings=settings_at(tmp_path))
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before("run"))
