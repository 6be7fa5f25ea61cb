"""A key's way to the screen, in a pty of 120 x 40, while 1,000 events a second stream into a run of 1,000 nodes.

Milliseconds from the write of a key to the terminal until the output after which the cursor of the DAG is elsewhere on
the screen: with the stream (`busy`), and without it (`idle`). The floor is an empty Textual app that counts keys. In
the same run: bytes a second that the stream paints, milliseconds from an approval's commit until it is read on the
screen, and the memory that 100,000 events more leave behind (an hour's worth of a busy run, played fast).
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import random
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyte
from first_paint import COLUMNS, ROWS
from timeline_run import write

import storage
from cmbagent_tui.app import CockpitApp
from engine.engine import Engine
from engine.model.changes import Add
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from engine.model.options import EngineSettings
from engine.model.records import Approval, ApprovalState, Node, Run
from engine.model.states import RunState, StepState
from tests.tui.conftest import NoLauncher, NoPrices

NODES, EVENTS = 1000, 20_000
RATE, EACH = 1000, 0.02  # events a second, in a commit every so many seconds
PRESSES, ASKED, PLAYED = 240, 20, 100_000
QUIET, BUSY = 10.0, {"p95": 25.0, "p99": 60.0}  # ms: p95 while idle; while events stream
MOST_BYTES, MOST_ASKED, MOST_MEMORY = 100_000, 150.0, 5.0  # bytes a second; ms, p95; MB
COUNTER = """
from textual.app import App, ComposeResult
from textual.widgets import Static

class Counter(App[None]):
    count = 0

    def compose(self) -> ComposeResult:
        yield Static("nothing to see")

    def on_key(self) -> None:
        self.count += 1
        self.query_one(Static).update(f"keys {self.count}")

Counter().run()
"""


class Streamed(CockpitApp):
    """The cockpit on a store of its own, and the stream: what its parent asks for comes in by a pipe, line by line."""

    def __init__(self, home: Path, run_id: str) -> None:
        super().__init__(self._opened, state_dir=home / "state", clock=lambda: datetime.now(UTC), guard=0.0)
        self.home, self.run_id = home, run_id
        self.nodes: list[Node] = []
        self.streaming: asyncio.Task[None] | None = None
        self.dice = random.Random(7)

    async def _opened(self) -> Engine:
        store, blobs = storage.open_store(self.home)
        engine = Engine(EngineSettings(home=self.home, drives=False), store, blobs, NoLauncher(), NoPrices())
        await engine.open()
        self.commit = store.commit
        return engine

    def on_mount(self) -> None:
        self.run_worker(self.obey())

    async def obey(self) -> None:
        while self.engine is None or not self.engine.is_open:
            await asyncio.sleep(0.05)
        view = await self.engine.view(self.run_id, files=False)
        self.run_now, self.nodes = view.run, list(view.nodes)
        self.open_run(self.run_id)
        loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()
        pipe = os.open(self.home / "asked", os.O_RDONLY | os.O_NONBLOCK)
        loop.add_reader(pipe, lambda: [lines.put_nowait(line) for line in os.read(pipe, 4096).decode().split()])
        self.tell(ready=True)
        while (asked := await lines.get()) != "end":
            await getattr(self, f"do_{asked}")()
        self.exit()

    def tell(self, **facts: Any) -> None:
        with (self.home / "told").open("a") as file:
            file.write(json.dumps(facts) + "\n")

    async def do_stream(self) -> None:
        self.streaming = asyncio.create_task(self.stream())

    async def do_rest(self) -> None:
        if self.streaming:
            self.streaming.cancel()
            self.streaming = None

    async def stream(self) -> None:
        due = time.perf_counter()
        while True:
            await self.commit(*(Add(self.event()) for _ in range(int(RATE * EACH))))
            due += EACH
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    def event(self) -> Event:
        """One of what workers tell; each fiftieth moves a node from one state to another."""
        node = self.dice.choice(self.nodes)
        kind, title, data = EventKind.OUTPUT, "", {"text": f"chi2 = {self.dice.random():.6f}", "stream": "stdout"}
        if self.dice.random() < 0.02:
            after = self.dice.choice((StepState.RUNNING, StepState.PAUSED)).value
            kind, title, data = EventKind.NODE_STATE, f"{node.step} {after}", {"before": "running", "after": after}
        return Event(
            new_id(), node.session_id, node.run_id, kind, datetime.now(UTC), node_id=node.id, agent="engineer",
            title=title, data=data,
        )  # fmt: skip

    async def do_ask(self) -> None:
        now = datetime.now(UTC)
        approval = Approval(
            new_id(), self.run_now.session_id, self.run_id, None, "question", "Shall it go on?",
            {"question": f"Number {now.timestamp():.0f}"}, ApprovalState.PENDING, now,
        )  # fmt: skip
        event = Event(
            new_id(), approval.session_id, self.run_id, EventKind.APPROVAL, now, title="Shall it go on?",
            data={"approval_id": approval.id, "kind": "question", "state": "pending"},
        )  # fmt: skip
        self.tell(asked=time.perf_counter())
        await self.commit(Add(approval), Add(event))

    async def do_play(self) -> None:
        before = memory()
        for _ in range(PLAYED // 500):
            await self.commit(*(Add(self.event()) for _ in range(500)))
        await asyncio.sleep(1)
        self.tell(memory_mb=memory() - before)


def memory() -> float:
    """Megabytes that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Line:
    """A program in a terminal, with all that it wrote and when (seconds), and all keys that were pressed."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self.chunks: list[tuple[float, bytes]] = []
        self.pressed: list[float] = []
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execvpe(command[0], command, environ)

    def press(self, key: str) -> None:
        self.pressed.append(time.perf_counter())
        os.write(self._terminal, key.encode())

    def read(self, seconds: float) -> None:
        """Take what is written for so long."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                data = os.read(self._terminal, 65536)
                self.chunks.append((time.perf_counter(), data))

    def written(self, since: float) -> int:
        """Bytes since a moment."""
        return sum(len(data) for at, data in self.chunks if at >= since)

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


class Looked:
    """What the screen showed after each piece of output, looked at afterwards, so that it costs the program nothing."""

    def __init__(self, line: Line, **looks: Callable[[pyte.Screen], object]) -> None:
        screen = pyte.Screen(COLUMNS, ROWS)
        stream = pyte.ByteStream(screen)
        self.seen: list[tuple[float, dict[str, object]]] = []
        for at, data in line.chunks:
            stream.feed(data)
            self.seen.append((at, {name: look(screen) for name, look in looks.items()}))

    def answers(self, name: str, moments: list[float]) -> list[float]:
        """Milliseconds from each moment until something else was seen than before it; it must have been, in a
        second."""
        found = [self._answer(name, moment) for moment in moments]
        missing = found.count(None)
        assert not missing, f"{missing} of {len(found)} were never seen"
        return [one for one in found if one is not None]

    def _answer(self, name: str, moment: float) -> float | None:
        before = next((shown[name] for at, shown in reversed(self.seen) if at <= moment), None)
        later = ((at, shown[name]) for at, shown in self.seen if moment < at <= moment + 1)
        return next(((at - moment) * 1000 for at, shown in later if shown != before), None)


def cursor(screen: pyte.Screen) -> object:
    """Where the DAG's cursor is: the row of another background in its pane, and what is written there."""
    grounds = {row: {screen.buffer[row][column].bg for column in range(4, 50)} for row in range(3, 25)}
    row = next((row for row, found in grounds.items() if len(found) > 1), None)
    return row, screen.display[row][12:40] if row is not None else ""


def pressed(line: Line, dice: random.Random, keys: tuple[str, ...]) -> list[float]:
    """Press keys at a person's pace; when each was pressed."""
    first = len(line.pressed)
    for number in range(PRESSES):
        line.press(keys[number % len(keys)])
        line.read(dice.uniform(0.1, 0.2))
    return line.pressed[first:]


def told_of(home: Path, name: str) -> list[Any]:
    """What the program has told under a name."""
    lines = (home / "told").read_text().splitlines() if (home / "told").exists() else []
    return [told[name] for told in map(json.loads, lines) if name in told]


def percentiles(name: str, times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {f"{name}_p50_ms": cuts[49], f"{name}_p95_ms": cuts[94], f"{name}_p99_ms": cuts[98]}


def main() -> None:
    """One JSON object."""
    dice = random.Random(11)
    environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        counter = Path(folder) / "counter.py"
        counter.write_text(COUNTER)
        line = Line([sys.executable, str(counter)], environ)
        line.read(2)
        moments = pressed(line, dice, ("x",))
        line.end()
        figures |= percentiles("empty", Looked(line, count=lambda screen: screen.display[0]).answers("count", moments))

        home = Path(folder) / "home"
        run: Run = asyncio.run(write(home, EVENTS, NODES, RunState.EXECUTING))
        os.mkfifo(home / "asked")
        line = Line([sys.executable, __file__, str(home), run.id], environ)
        asked = os.open(home / "asked", os.O_RDWR)
        while not told_of(home, "ready"):
            line.read(0.1)
        line.read(3)
        keys = ("\x1b[B",) * 6 + ("\x1b[A",) * 6
        idle = pressed(line, dice, keys)
        os.write(asked, b"stream\n")
        line.read(2)
        began = time.perf_counter()
        line.read(5)
        figures["bytes_a_second"] = line.written(began) / 5
        busy = pressed(line, dice, keys)
        for number in range(ASKED):
            os.write(asked, b"ask\n")
            while len(told_of(home, "asked")) <= number:
                line.read(0.05)
            line.read(0.6)
            line.press("\x1b")  # later: the dialog goes, the approval stays
            line.read(0.4)
        os.write(asked, b"rest\nplay\n")
        while not told_of(home, "memory_mb"):
            line.read(0.1)
        (figures["memory_mb"],) = told_of(home, "memory_mb")
        approvals = told_of(home, "asked")
        line.end()
    looked = Looked(
        line, cursor=cursor, asked=lambda screen: any("Shall it go on?" in row for row in screen.display[:25])
    )
    figures |= percentiles("idle", looked.answers("cursor", idle)) | percentiles("busy", looked.answers("cursor", busy))
    figures |= percentiles("approval", looked.answers("asked", approvals))
    figures = {name: round(value, 2) for name, value in figures.items()}
    figures["met"] = (
        figures["idle_p95_ms"] <= QUIET
        and figures["busy_p95_ms"] <= BUSY["p95"]
        and figures["busy_p99_ms"] <= BUSY["p99"]
        and figures["bytes_a_second"] <= MOST_BYTES
        and figures["approval_p95_ms"] <= MOST_ASKED
        and figures["memory_mb"] <= MOST_MEMORY
    )
    print(json.dumps({"benchmark": "keys", "nodes": NODES, "events": EVENTS, "presses": PRESSES, **figures}))


if __name__ == "__main__":
    Streamed(Path(sys.argv[1]), sys.argv[2]).run() if len(sys.argv) > 1 else main()
