"""What happens to a victim, or by it, at the place that its order names."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.faults_victim import Victim


def _kill(_: Victim) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(victim: Victim) -> None:
    """Fall asleep, as a process does whose machine is put to sleep; but not in the middle of a transaction, whose lock
    nobody could take from it."""
    other = sqlite3.connect(victim.order.home / "cmbagent.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    os.kill(os.getpid(), signal.SIGSTOP)


def _signal_worker(victim: Victim) -> None:
    """Send a signal to the worker of a step."""
    os.kill(victim.workers[victim.order.more["step"]].pid, victim.order.more["signal"])


def _kill_zygote(victim: Victim) -> None:
    zygote: Any = victim.launcher._inner._zygote
    os.kill(zygote._process.pid, signal.SIGKILL)


def _jump(victim: Victim) -> None:
    """Have the wall clock jump; the other one goes on as it did."""
    victim.clock.wall += victim.order.more["seconds"]


def _end_writer(victim: Victim) -> None:
    """The thread that writes ends in the middle of the next batch."""
    writer = _writer(victim)
    writer._applier = _Dying(writer._applier)


class _Dying:
    """An applier that applies half of what it is given."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, changes: Sequence[Any], numbered: list[Any]) -> None:
        self._inner.apply(changes[: len(changes) // 2], numbered)
        raise SystemExit


def _fill_disk(victim: Victim) -> None:
    """There is no room for another page, until there is again."""
    _turn(victim, "PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000")  # no less than there are is taken


def _refuse_writes(victim: Victim) -> None:
    """The database may only be read."""
    _turn(victim, "PRAGMA query_only=ON", "PRAGMA query_only=OFF")


def _turn(victim: Victim, off: str, on: str) -> None:
    """Have the thread that writes turn something off before its next batch, and on again when it is time."""
    seconds = victim.order.more.get("seconds")
    writer = _writer(victim)
    until = None if seconds is None else time.monotonic() + seconds
    writer._applier = _Turned(writer._applier, writer._connection, off, on, until)


class _Turned:
    """An applier whose connection has something turned off. No other thread may say so to it: SQLite's lock and the
    interpreter's would be taken in two orders."""

    def __init__(self, inner: Any, connection: sqlite3.Connection, off: str, on: str, until: float | None) -> None:
        self._inner, self._connection, self._off, self._on, self._until = inner, connection, off, on, until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, changes: Sequence[Any], numbered: list[Any]) -> None:
        over = self._until is not None and time.monotonic() > self._until
        self._connection.execute(self._on if over else self._off)
        self._inner.apply(changes, numbered)


def _fail_disk(victim: Victim) -> None:
    """No file may grow: SQLite meets a real error of the operating system."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = victim.order.home / "cmbagent.db-wal"
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, most))
    seconds = victim.order.more.get("seconds")
    if seconds is not None:
        undo = resource.setrlimit, resource.RLIMIT_FSIZE, (most, most)
        asyncio.get_running_loop().call_later(seconds, *undo)


def _lock(victim: Victim) -> None:
    """Another connection holds the write lock."""

    def hold() -> None:
        other = sqlite3.connect(victim.order.home / "cmbagent.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(victim.order.more["seconds"])
        other.execute("ROLLBACK")
        other.close()

    threading.Thread(target=hold, daemon=True).start()


def _writer(victim: Victim) -> Any:
    inner: Any = victim.inner
    return inner._opened().writer


DEEDS: dict[str, Callable[[Victim], None]] = {
    "kill": _kill,
    "stop": _stop,
    "signal worker": _signal_worker,
    "kill zygote": _kill_zygote,
    "jump": _jump,
    "end writer": _end_writer,
    "fill disk": _fill_disk,
    "fail disk": _fail_disk,
    "refuse writes": _refuse_writes,
    "lock": _lock,
}
