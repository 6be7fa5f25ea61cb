"""The timeline of a run of 100,000 events, in a pty of 120 x 40: to open the run, to jump, to filter, and the memory.

The program runs the cockpit on a store of its own and measures itself: milliseconds from what a key asks for until the
terminal was sent what it should show. The floor is a bare read of as many events as a page has, by the driver of the
database alone, in the same process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from first_paint import COLUMNS, ROWS
from timeline_run import NODES, write

import storage
from cmbagent_tui.app import CockpitApp
from cmbagent_tui.widgets.timeline.pane import TimelinePane
from cmbagent_tui.widgets.timeline.reading import PAGE
from engine.engine import Engine
from engine.model.options import EngineSettings
from tests.support.cockpit import Terminal
from tests.tui.conftest import NoLauncher, NoPrices

EVENTS = 100_000
OPENINGS, JUMPS, ROUNDS = 5, 20, 3
PATIENCE = 10.0  # seconds
MOST_OPEN, MOST_JUMP, MOST_FILTER, MOST_MEMORY = 100.0, 20.0, 100.0, 5.0  # ms; MB over what it was once opened
FILTERS = {
    "errors": "!",
    "kind": "kind:tool",
    "step": "step:step_100",
    "agent": "agent:engineer",
    "word": "step_150_7",
    "common_word": "residuals",
    "nothing": "zebra",
}


class Measured(CockpitApp):
    """The cockpit, which notes when it writes to the terminal."""

    def __init__(self, home: Path, run_id: str, report: Path) -> None:
        super().__init__(self._opened, state_dir=home / "state", clock=lambda: datetime.now(UTC), guard=0.0)
        self.home, self.run_id, self.report = home, run_id, report
        self.wrote = 0.0
        self.figures: dict[str, float] = {}

    async def _opened(self) -> Engine:
        store, blobs = storage.open_store(self.home)
        engine = Engine(EngineSettings(home=self.home, drives=False), store, blobs, NoLauncher(), NoPrices())
        await engine.open()
        return engine

    def on_mount(self) -> None:
        driver: Any = self._driver
        write = driver.write

        def noted(data: str) -> None:
            write(data)
            self.wrote = time.perf_counter()

        driver.write = noted
        self.run_worker(self.measure())

    async def took(self, act: Callable[[], object], shown: Callable[[], bool]) -> float:
        """Milliseconds from an act until what it leads to was written to the terminal."""
        await asyncio.sleep(0.15)
        began = time.perf_counter()
        act()
        while not shown():
            await asyncio.sleep(0)
            if time.perf_counter() > began + PATIENCE:
                raise TimeoutError("it was never shown")
        true_at = time.perf_counter()
        while self.wrote < true_at and time.perf_counter() < true_at + 1:
            await asyncio.sleep(0)
        return (max(self.wrote, true_at) - began) * 1000

    def pane(self) -> TimelinePane | None:
        found = self.screen.query(TimelinePane)
        return found.first() if found else None

    async def measure(self) -> None:
        while self.engine is None or not self.engine.is_open:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        gc.freeze()
        openings: list[float] = []
        for number in range(OPENINGS):
            openings.append(await self.took(lambda: self.open_run(self.run_id), self.is_opened))
            await asyncio.sleep(1)
            if number < OPENINGS - 1:
                self.screen.dismiss(None)
                await asyncio.sleep(0.3)
        self.note("open", openings[1:])
        pane = self.pane()
        assert pane is not None
        view = pane.view
        before = memory()
        places = [(number * 61_803) % (EVENTS - 1000) + 1 for number in range(JUMPS)]
        jumps = [await self.took(lambda to=to: view.go_to(to), lambda to=to: near(view.seen, to)) for to in places]
        self.note("jump", jumps)
        self.note("first_and_last", [
            await self.took(act, shown)
            for _ in range(ROUNDS)
            for act, shown in (
                (view.action_first, lambda: near(view.seen, 1)),
                (view.action_last, lambda: view.seen[1] > view.newest - 20),
            )
        ])  # fmt: skip
        worst: list[float] = []
        for name, line in FILTERS.items():
            times: list[float] = []
            for _ in range(ROUNDS):
                times.append(await self.took(lambda line=line: pane._ask(line), self.is_filtered))
                await self.took(lambda: pane._ask(""), lambda: view.current and not view.looking)
            self.note(f"filter_{name}", times)
            worst.append(statistics.median(times))
        self.figures["filter_worst_ms"] = max(worst)
        gc.collect()
        self.figures["memory_mb"] = memory() - before
        self.figures |= self.floor()
        self.report.write_text(json.dumps(self.figures))
        self.exit()

    def is_opened(self) -> bool:
        pane = self.pane()
        return pane is not None and pane.view.count > 0

    def is_filtered(self) -> bool:
        """A page that fits is there, or all was looked through."""
        pane = self.pane()
        assert pane is not None
        return pane.view.current and (pane.view.count > 0 or not pane.view.looking)

    def note(self, name: str, times: list[float]) -> None:
        self.figures |= {f"{name}_ms": statistics.median(times), f"{name}_least_ms": min(times)}
        self.figures[f"{name}_most_ms"] = max(times)

    def floor(self) -> dict[str, float]:
        """A page of events, read by the driver alone."""
        connection = sqlite3.connect(self.home / "cmbagent.db")
        times: list[float] = []
        for number in range(JUMPS):
            after = (number * 61_803) % EVENTS
            began = time.perf_counter()
            statement = "SELECT * FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
            connection.execute(statement, (self.run_id, after, PAGE)).fetchall()
            times.append((time.perf_counter() - began) * 1000)
        connection.close()
        return {"bare_page_ms": statistics.median(times)}


def near(seen: tuple[int, int], seq: int) -> bool:
    """Whether an event is among those seen, or hidden between them."""
    return seen[0] <= seq <= seen[1]


def memory() -> float:
    """Megabytes that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """One JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        home, report = Path(folder) / "home", Path(folder) / "report.json"
        run = asyncio.run(write(home, EVENTS))
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_FPS": "120"}
        environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        terminal = Terminal([sys.executable, __file__, str(home), run.id, str(report)], environ, COLUMNS, ROWS)
        terminal.wait(300)
        terminal.end()
        figures: dict[str, Any] = json.loads(report.read_text())
    figures = {name: round(value, 2) for name, value in figures.items()}
    figures["met"] = (
        figures["open_ms"] <= MOST_OPEN
        and figures["jump_ms"] <= MOST_JUMP
        and figures["filter_worst_ms"] <= MOST_FILTER
        and figures["memory_mb"] <= MOST_MEMORY
    )
    print(json.dumps({"benchmark": "timeline", "events": EVENTS, "nodes": NODES, "page": PAGE, **figures}))


if __name__ == "__main__":
    Measured(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])).run() if len(sys.argv) > 1 else main()
