"""Deeds that are killed at any point: each in a process of its own, forked when everything is loaded, so that many fit
into a test.

Three of four kills fall before or after a call to SQLite or the system, counted; the others after a time, wherever the
process is then, which may be too late.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import storage

LATER = datetime(2040, 1, 1, tzinfo=UTC)
DEEDS: dict[str, Callable[[Path], object]] = {
    "upgrade": storage.upgrade,
    "downgrade": storage.downgrade,
    "backup": lambda home: storage.backup(home, None, home / "copy"),
    "restore": lambda home: storage.restore(home, None, home.parent / "backup"),
    "prune": lambda home: storage.prune(home, None, LATER, older_than=timedelta(days=1)),
}


def killed(deed: str, homes: Sequence[Path], seed: int) -> int:
    """Do a deed in each of these homes and kill it somewhere; the first two are only practised on, and end well. Return
    how many were killed before they had ended."""
    command = [sys.executable, "-m", "tests.support.dying", deed, str(seed), *map(str, homes)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environ)
    assert done.returncode == 0, done.stderr
    return sum(json.loads(done.stdout))


def _main() -> None:
    rng, homes = random.Random(int(sys.argv[2])), [Path(name) for name in sys.argv[3:]]
    deed = DEEDS[sys.argv[1]]
    calls = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        asks_sqlite = isinstance(getattr(arg, "__self__", None), sqlite3.Connection | sqlite3.Cursor)
        calls += asks_sqlite or getattr(arg, "__module__", None) == "posix"
        if calls == fatal > 0:
            os.kill(os.getpid(), signal.SIGKILL)

    fatal = 0
    deed(homes[0])  # loads what it needs
    began = time.monotonic()
    sys.setprofile(count)
    deed(homes[1])
    sys.setprofile(None)
    total, seconds = calls, time.monotonic() - began
    outcomes: list[bool] = []
    for number, home in enumerate(homes[2:]):
        calls, fatal, span = 0, rng.randint(1, total), rng.uniform(0.0, seconds)
        pid = os.fork()
        if pid == 0:
            if number % 4 != 3:
                sys.setprofile(count)
            else:
                signal.setitimer(
                    signal.ITIMER_REAL, max(span, 1e-5)
                )  # SIGALRM ends a process that has not asked for it
            deed(home)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) > 0:
            sys.exit(1)
        outcomes.append(os.WIFSIGNALED(status))
    print(json.dumps(outcomes))


if __name__ == "__main__":
    _main()
