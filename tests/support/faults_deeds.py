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
from contextlib import suppress
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
    connection: sqlite3.Connection = _writer(victim)._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    _undo_later(victim, lambda: connection.execute("PRAGMA max_page_count=1000000"))


def _refuse_writes(victim: Victim) -> None:
    """The database may only be read."""
    connection: sqlite3.Connection = _writer(victim)._connection
    connection.execute("PRAGMA query_only=ON")
    _undo_later(victim, lambda: connection.execute("PRAGMA query_only=OFF"))


def _fail_disk(victim: Victim) -> None:
    """No file may grow: SQLite meets a real error of the operating system."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = victim.order.home / "cmbagent.db-wal"
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, most))
    _undo_later(victim, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))


def _lock(victim: Victim) -> None:
    """Another connection holds the write lock."""

    def hold() -> None:
        other = sqlite3.connect(victim.order.home / "cmbagent.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(victim.order.more["seconds"])
        other.execute("ROLLBACK")
        other.close()

    threading.Thread(target=hold, daemon=True).start()


def _undo_later(victim: Victim, undo: Callable[[], object]) -> None:
    seconds = victim.order.more.get("seconds")
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, _if_still_open, undo)


def _if_still_open(undo: Callable[[], object]) -> None:
    with suppress(sqlite3.ProgrammingError):  # the store was closed meanwhile
        undo()


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
