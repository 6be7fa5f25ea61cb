"""How the screens look: `pytest --snapshot-update` after a look at the report when they change on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from cmbagent_tui.app import CockpitApp
from engine.engine import Engine
from tests.tui.conftest import clock, engine_at, settings_at
from tests.tui.looking import settles, shows
from tests.tui.seed import Seed

SIZES = {"wide": (120, 40), "narrow": (80, 24)}
Compare = Callable[..., bool]


class SeededApp(CockpitApp):
    """An app that makes its own engine, in the loop that it runs in."""

    def __init__(self, home: Path, stage: str, **options: Any) -> None:
        self._seeded_at = home
        self._stage = stage
        self._seed_run: str | None = None
        options.setdefault("settings", settings_at(home))
        super().__init__(self._seeded, first=self._which, state_dir=home / "state", clock=clock, guard=0.0, **options)

    async def _seeded(self) -> Engine:
        engine = engine_at(self._seeded_at)
        await engine.open()
        seed = Seed(engine._store, engine._blobs)  # pyright: ignore[reportPrivateUsage]
        match self._stage:
            case "home":
                await seed.finish()
                for number, title in enumerate(("Does the lens agree with Planck?", "宇宙の [b]膨張[/b]"), 2):
                    await Seed(seed.store, seed.blobs, title=title, number=number).wait_for_approval()
            case "waiting":
                await seed.wait_for_approval()
            case "running":
                await seed.approve()
                await seed.run_node("data")
                await seed.run_node("fit_undamped")
                await seed.run_node("fit_damped", end=False)
            case "done":
                await seed.finish()
            case "failed":
                await seed.finish(fails="fit_damped")
        self._seed_run = None if self._stage in ("home", "empty") else seed.run.id
        return engine

    async def _which(self, _: Engine) -> str | None:
        return self._seed_run

    async def on_unmount(self) -> None:
        if self.engine is not None:
            await self.engine.close()


def waiting_for(*texts: str, keys: tuple[str, ...] = (), then: tuple[str, ...] = ()) -> Any:
    async def before(pilot: Pilot[Any]) -> None:
        await shows(pilot, *texts)
        if keys:
            await settles(pilot)
        await pilot.press(*keys)
        await shows(pilot, *then)
        await settles(pilot)

    return before


AT_HOME = ("3 sessions", "Planck", "2 approvals waiting")  # all that home shows comes bit by bit
SCREENS: dict[str, tuple[str, Callable[[Pilot[Any]], Awaitable[None]]]] = {
    "home": ("home", waiting_for(*AT_HOME)),
    "first time": ("empty", waiting_for("Nothing here yet")),
    "approval": ("waiting", waiting_for("Shall this run?", "no budget")),
    "running": ("running", waiting_for("executing", "fit_damped")),
    "done": ("done", waiting_for("7/7 steps", "the numbers agree")),
    "failed": ("failed", waiting_for("did not converge")),
    "help": ("done", waiting_for("7/7 steps", "the numbers agree", keys=("question_mark",), then=("Keys",))),
    "code": ("done", waiting_for("7/7 steps", "the numbers agree", keys=("6",), then=("curve_fit",))),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCREENS)
def test_looks(snap_compare: Compare, tmp_path: Path, name: str, size: str) -> None:
    stage, before = SCREENS[name]
    assert snap_compare(SeededApp(tmp_path, stage), terminal_size=SIZES[size], run_before=before)


@pytest.mark.parametrize("name", ["home", "first time", "approval", "running", "help"])
def test_looks_in_ascii(snap_compare: Compare, tmp_path: Path, name: str) -> None:
    stage, before = SCREENS[name]
    app = SeededApp(tmp_path, stage, ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["narrow"], run_before=before)


def test_looks_in_light(snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTUAL_THEME", "cmbagent-light")
    stage, before = SCREENS["running"]
    assert snap_compare(SeededApp(tmp_path, stage), terminal_size=SIZES["wide"], run_before=before)
