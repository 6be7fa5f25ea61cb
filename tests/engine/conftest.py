"""An engine on a real store, with real workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.host import ZygoteLauncher
from engine.model.options import EngineSettings, RunOptions
from engine.model.plan import Plan
from engine.model.records import Mode, Run, RunView
from engine.ports import Clock
from engine.telemetry.prices import PriceTable
from storage import check, open_store
from tests.support.journals import Journal, Json, plan


class Lab:
    """A home in which engines are opened, one after another or side by side."""

    def __init__(self, root: Path, stack: AsyncExitStack) -> None:
        self.home = root / "home"
        self.journal = Journal(root / "story.jsonl")
        self._stack = stack
        self._open: list[Engine] = []

    async def engine(self, *, drives: bool = True, clock: Clock | None = None, **more: Any) -> Engine:
        """Open another engine on the same home; `more` are other settings of it."""
        store, blobs = open_store(self.home)
        settings = EngineSettings(self.home, drives=drives, **more)
        engine = Engine(settings, store, blobs, ZygoteLauncher(), PriceTable(), clock)
        await engine.open()
        self._open.append(engine)
        self._stack.push_async_callback(self.close, engine)
        return engine

    async def close(self, engine: Engine) -> None:
        """Close an engine, once."""
        if engine in self._open:
            self._open.remove(engine)
            await engine.close()

    def options(self, **more: object) -> RunOptions:
        """Options that take every answer from the journal, and have nothing tried again unless it is asked for."""
        return RunOptions(**{"models": {"default": self.journal.model}, "retries": 0, **more})  # type: ignore[arg-type]

    async def carry_out(self, engine: Engine, *steps: Json, **more: object) -> tuple[Run, RunView]:
        """Run a given plan to its end."""
        run = await engine.submit(
            "Test the engine.", mode=Mode.PLANNING_CONTROL, options=self.options(**more), plan=Plan.parse(plan(*steps))
        )
        run = await engine.wait(run.id)
        return run, await engine.view(run.id)

    def problems(self) -> list[str]:
        """What is wrong with the database and its blobs."""
        return check(self.home)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """A home with an empty journal; what was opened is closed, and the database is sound afterwards."""
    async with AsyncExitStack() as stack:
        made = Lab(tmp_path, stack)
        yield made
    assert made.problems() == []


def states(view: RunView) -> dict[str, str]:
    """The state of every node, by step."""
    return {node.step: node.state.value for node in view.nodes}
