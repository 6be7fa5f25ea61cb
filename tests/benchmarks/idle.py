"""Idle: what the app costs while nobody touches it, with the shipped demo loaded and its run on the screen.

Percent of one core over 20 seconds (user and system time from /proc/PID/stat) and memory (smaps_rollup), of the app's
own process and, apart, of the others: the front that its shell waits for, and the warm parent of workers. The floor is
an empty Textual app (one Static) in a terminal of the same size, over the same time. Linux only: other systems have no
/proc.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from first_paint import COLUMNS, EMPTY, ROWS

from tests.support.cockpit import Cockpit, Terminal
from tests.support.processes import family

SECONDS = 20.0
MOST_PERCENT, MOST_MB = 2.0, 120.0


def seconds(pid: int) -> float:
    """What a process has computed since it began, in its own code and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> dict[str, float]:
    """Memory of a process: resident, and with what is shared counted in shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(rest.split()[0]) / 1024 for name, rest in (line.split(":", 1) for line in lines)}
    return {"rss_mb": sizes["Rss"], "pss_mb": sizes["Pss"]}


def watched(terminal: Terminal, front: int = 0) -> dict[str, float]:
    """What a program costs while nothing happens: the process that paints, behind so many others, and all the rest."""
    terminal.screen_settles(2.0)
    others = family(terminal.pid)
    painter = others.pop(front)
    began = time.perf_counter()
    before = seconds(painter), sum(map(seconds, others))
    written = len(terminal.raw)
    while time.perf_counter() - began < SECONDS:
        terminal.screen_settles(0.5)  # reads what it writes
    took = (time.perf_counter() - began) / 100
    return {
        "cpu_percent": (seconds(painter) - before[0]) / took,
        **megabytes(painter),
        "bytes_written": len(terminal.raw) - written,
        "others": len(others),
        "others_cpu_percent": (sum(map(seconds, others)) - before[1]) / took,
        "others_pss_mb": sum(megabytes(pid)["pss_mb"] for pid in others),
    }


def main() -> None:
    """Measure both; one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        cockpit = Cockpit(Path(folder) / "home")
        done = cockpit.say("demo", "--headless")
        assert done.code == 0, done.err
        with cockpit.terminal(columns=COLUMNS, rows=ROWS) as terminal:
            terminal.until("Is this oscillator damped?", "completed")
            terminal.keys("enter")
            terminal.until("Timeline", "terminator")
            app = watched(terminal, front=1)
        program = Path(folder) / "empty.py"
        program.write_text(EMPTY)
        empty = Terminal([sys.executable, str(program)], cockpit.environ, COLUMNS, ROWS)
        empty.until("nothing to see")
        floor = watched(empty)
        empty.end()
    figures = {**app, **{f"empty_{name}": floor[name] for name in ("cpu_percent", "rss_mb", "pss_mb")}}
    rounded = {name: round(value, 2) for name, value in figures.items()}
    met = {"met": app["cpu_percent"] < MOST_PERCENT and app["rss_mb"] <= MOST_MB}
    print(json.dumps({"benchmark": "idle", "seconds": SECONDS, **rounded, **met}))


if __name__ == "__main__":
    main()
