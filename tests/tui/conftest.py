"""A real engine on a real store that runs nothing, and apps on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.scrollbar import ScrollBar, ScrollBarRender

import storage
from cmbagent_tui.app import CockpitApp
from cmbagent_tui.settings import Settings, load
from engine.engine import Engine
from engine.model.frames import WorkerSpec
from engine.model.options import EngineSettings
from engine.ports import WorkerHandle
from tests.tui.seed import START, Seed


@pytest.fixture(autouse=True)
def own_scroll_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app sets for its whole process how scroll bars are drawn: each test begins with Textual's own."""
    monkeypatch.setattr(ScrollBar, "renderer", ScrollBarRender)


class NoLauncher:
    """For an engine that drives nothing: there is nothing to start."""

    async def open(self) -> None: ...

    async def start(self, spec: WorkerSpec) -> WorkerHandle:
        raise AssertionError("this engine runs nothing")

    async def close(self) -> None: ...


class NoPrices:
    def price(self, provider: str, model: str, prompt: int, completion: int, cached: int) -> tuple[int | None, str]:
        raise AssertionError("this engine runs nothing")


def engine_at(home: Path) -> Engine:
    store, blobs = storage.open_store(home)
    return Engine(EngineSettings(home=home, drives=False), store, blobs, NoLauncher(), NoPrices())


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    one = engine_at(tmp_path / "home")
    await one.open()
    yield one
    await one.close()


@pytest.fixture
def seed(engine: Engine) -> Seed:
    return Seed(engine._store, engine._blobs)  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def make_app(engine: Engine, tmp_path: Path) -> Callable[..., CockpitApp]:
    """Apps on the engine, with time standing still a minute and a half after the seeded run began."""

    def make(run_id: str | None = None, **options: Any) -> CockpitApp:
        async def opened() -> Engine:
            return engine

        async def first(_: Engine) -> str | None:
            return run_id

        return CockpitApp(
            opened,
            first=first if run_id else None,
            state_dir=tmp_path / "state",
            settings=options.pop("settings", None) or settings_at(tmp_path),
            clock=options.pop("clock", clock),
            guard=options.pop("guard", 0.0),
            **options,
        )

    return make


def settings_at(home: Path) -> Settings:
    """The settings of a home, whatever this machine's environment says of models."""
    return load({"CMBAGENT_HOME": str(home), "TEXTUAL_THEME": os.environ.get("TEXTUAL_THEME", "")}, home)


def clock() -> datetime:
    return START + timedelta(seconds=90)
