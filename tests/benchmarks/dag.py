"""The DAG of a thousand nodes, in a pty of 120 x 40: what its layout takes beside the keys, and what a change costs.

The program runs the pane alone, in Textual's own driver, and measures itself: milliseconds from asking for a layout
until it is taken (`layout_ms`; `layout_cpu_ms` is the processor's time for it, and `slice_ms` that of the longest turn
of the loop meanwhile), the same after a node was added, and processor time and bytes written for one node's change of
state, on the screen and off it. The floors: the same layout without slices, and a line of an empty Textual app that
changes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from first_paint import COLUMNS, ROWS
from textual.app import App, ComposeResult
from textual.widgets import Static

from cmbagent_tui.slices import at_once
from cmbagent_tui.state.board import Card
from cmbagent_tui.state.fold import Changed
from cmbagent_tui.widgets.dag.layout import Made, Wanted, make
from engine.model.states import StepState
from tests.support.cockpit import Terminal
from tests.tui.dag_boards import DagApp, edge, many, step

NODES, ABREAST = 1000, 8
CHANGES = 100
MOST_LAYOUT, MOST_CHANGE = 100.0, 1.5  # ms


class Measured:
    """What an app writes, and what the processor does for it."""

    def __init__(self, app: App[Any]) -> None:
        self.written = 0
        driver: Any = app._driver
        write = driver.write

        def counted(data: str) -> None:
            self.written += len(data.encode())
            write(data)

        driver.write = counted

    async def of(self, change: Callable[[int], None]) -> dict[str, float]:
        """Median processor time (ms) and bytes of one change, painted."""
        times: list[float] = []
        sizes: list[int] = []
        for number in range(CHANGES):
            await asyncio.sleep(0.02)
            written, began = self.written, time.process_time()
            change(number)
            await asyncio.sleep(0.03)  # the frame in which it is painted
            times.append((time.process_time() - began) * 1000)
            sizes.append(self.written - written)
        return {"ms": statistics.median(times), "bytes": statistics.median(sizes)}


class Empty(App[None]):
    """A Textual app with one line that changes."""

    def __init__(self, done: Callable[[App[Any]], Awaitable[None]]) -> None:
        super().__init__()
        self._done = done

    def compose(self) -> ComposeResult:
        yield Static("nothing to see")

    def on_mount(self) -> None:
        self.run_worker(self._done(self))


class Watched(DagApp):
    """The pane with a thousand nodes."""

    def __init__(self, done: Callable[[App[Any]], Awaitable[None]]) -> None:
        super().__init__(many(NODES, ABREAST), "s0000")
        self._done = done

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._done(self))


async def longest_turn(until: Callable[[], bool]) -> float:
    """The longest turn of the loop (ms of processor time) until something holds."""
    longest, last = 0.0, time.process_time()
    while not until():
        await asyncio.sleep(0)
        now = time.process_time()
        longest, last = max(longest, now - last), now
    return longest * 1000


async def measure_empty(app: App[Any], figures: dict[str, float]) -> None:
    await asyncio.sleep(1)
    gc.freeze()
    line = app.query_one(Static)
    floor = await Measured(app).of(lambda number: line.update(f"nothing {number}", layout=False))
    figures |= {f"empty_{name}": value for name, value in floor.items()}
    app.exit()


async def measure_dag(app: App[Any], figures: dict[str, float]) -> None:
    assert isinstance(app, Watched)
    dag, board = app.dag, app.board
    while not dag.drawn:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    gc.freeze()
    layouts: list[float] = []
    slices: list[float] = []
    worked: list[float] = []
    for _ in range(5):
        dag._made = Made()
        count, began, busy = dag.drawn, time.perf_counter(), time.process_time()
        dag.lay_out()
        slices.append(await longest_turn(lambda count=count: dag.drawn > count))
        layouts.append((time.perf_counter() - began) * 1000)
        worked.append((time.process_time() - busy) * 1000)
    before = {name: spot.mark for name, spot in dag.drawing.spots.items()}
    board.cards["new"] = Card(step("new", NODES))
    board.edges += [edge("s0400", "new"), edge("new", "s0480")]
    count, began = dag.drawn, time.perf_counter()
    dag.update_from(Changed(nodes={"new"}, structure=True))
    await longest_turn(lambda: dag.drawn > count)
    inserted = (time.perf_counter() - began) * 1000
    moved = sum(dag.drawing.spots[name].mark != mark for name, mark in before.items())
    await asyncio.sleep(0.5)

    def change(name: str) -> Callable[[int], None]:
        def one(number: int) -> None:
            card = board.cards[name]
            state = StepState.COMPLETED if number % 2 else StepState.RUNNING
            card.node = replace(card.node, state=state)
            dag.update_from(Changed(nodes={name}))

        return one

    meter = Measured(app)
    seen, unseen = await meter.of(change("s0001")), await meter.of(change(f"s{NODES - 1:04}"))
    figures |= {
        "layout_ms": statistics.median(layouts),
        "layout_least_ms": min(layouts),
        "layout_cpu_ms": statistics.median(worked),
        "slice_ms": max(slices),
        "insert_ms": inserted,
    }
    figures |= {"moved": moved, "change_ms": seen["ms"], "change_bytes": seen["bytes"]}
    figures |= {"unseen_ms": unseen["ms"], "unseen_bytes": unseen["bytes"]}
    app.exit()


def plain_layout() -> float:
    """The layout without slices and without an app (ms)."""
    board = many(NODES, ABREAST)
    wanted = Wanted(board.ordered(), board.edges, set(), None, False, COLUMNS - 4)
    took: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        at_once(make(wanted, Made()))
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def inside(report: Path) -> None:
    """What runs in the terminal."""
    figures: dict[str, float] = {}
    Empty(lambda app: measure_empty(app, figures)).run()
    Watched(lambda app: measure_dag(app, figures)).run()
    report.write_text(json.dumps(figures))


def main() -> None:
    """One JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_FPS": "120"}
        environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        terminal = Terminal([sys.executable, __file__, str(report)], environ, COLUMNS, ROWS)
        terminal.wait(120)
        terminal.end()
        figures: dict[str, Any] = json.loads(report.read_text())
    figures["plain_layout_ms"] = plain_layout()
    figures = {name: round(value, 2) for name, value in figures.items()}
    met = figures["layout_ms"] <= MOST_LAYOUT and figures["unseen_bytes"] == 0
    figures["met"] = met and figures["change_ms"] - figures["empty_ms"] <= MOST_CHANGE
    print(json.dumps({"benchmark": "dag", "nodes": NODES, "columns": COLUMNS, "rows": ROWS, **figures}))


if __name__ == "__main__":
    inside(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
