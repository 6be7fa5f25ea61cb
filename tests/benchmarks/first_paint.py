"""First paint: milliseconds from exec until the terminal shows the home screen, in a pty of 120 x 40.

The floor is an empty Textual app (one Static) started by the same interpreter, the two in turn. What counts is the
first piece of output after which the screen shows the content: the chunks are timed as they come and put on a screen
later, so that reading them costs nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

import pyte

ROUNDS = 11
COLUMNS, ROWS = 120, 40
QUIET = 0.4  # seconds without output after which no more is expected
MOST = 1.5  # times the floor
EMPTY = """
from textual.app import App, ComposeResult
from textual.widgets import Static

class Empty(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("nothing to see")

Empty().run()
"""


def painted(command: list[str], environ: dict[str, str], content: str) -> float:
    """Seconds from exec until the screen shows the content."""
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execvpe(command[0], command, environ)
    chunks: list[tuple[float, bytes]] = []
    while select.select([terminal], [], [], QUIET if chunks else 10)[0]:
        data = os.read(terminal, 65536)
        chunks.append((time.perf_counter(), data))
    os.kill(pid, signal.SIGTERM)
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # the program has ended
        os.waitpid(pid, 0)
    os.close(terminal)
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    for at, data in chunks:
        stream.feed(data)
        if any(content in line for line in screen.display):
            return at - began
    raise AssertionError(f"{content!r} was never shown:\n" + "\n".join(screen.display))


def main() -> None:
    """Rounds of both in turn; the medians as one JSON object."""
    # Without PYTHONDONTWRITEBYTECODE, which would have our files compiled anew each time, and not Textual's.
    changing = ("CMBAGENT_", "TEXTUAL", "PYTHONDONTWRITEBYTECODE")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(changing)}
    environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        environ["CMBAGENT_HOME"] = f"{folder}/home"
        ours = [sys.executable, "-m", "cmbagent_tui"]
        took: list[tuple[float, float]] = []
        for _ in range(ROUNDS + 1):
            app = painted(ours, environ, "a cockpit for autonomous research")
            took.append((app * 1000, painted([sys.executable, str(empty)], environ, "nothing to see") * 1000))
    counted = took[1:]  # the first round reads what the others find in memory
    figures = {
        "app_ms": statistics.median(app for app, _ in counted),
        "empty_ms": statistics.median(floor for _, floor in counted),
        "ratio": statistics.median(app / floor for app, floor in counted),
        "app_least_ms": min(app for app, _ in counted),
        "empty_least_ms": min(floor for _, floor in counted),
    }
    rounded = {name: round(value, 3) for name, value in figures.items()}
    rounded["met"] = figures["ratio"] <= MOST
    print(json.dumps({"benchmark": "first_paint", "columns": COLUMNS, "rows": ROWS, "rounds": ROUNDS, **rounded}))


if __name__ == "__main__":
    main()
