"""The other processes that have a database open, as far as their rows tell."""

from __future__ import annotations

import os
import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.model.errors import StorageError
from storage.codec import micros

_SILENT = timedelta(seconds=15)  # a client that was silent for longer is gone


def refuse_others(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StorageError when another living process has the database open; it is named."""
    found = others(connection)
    if found:
        listed = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        count = "another process has" if len(found) == 1 else f"{len(found)} other processes have"
        raise StorageError(f"{count} {path} open: {listed}.", "Quit it there, or end it, and try again.")


def others(connection: sqlite3.Connection) -> list[str]:
    """Each of them, in words."""
    there = {str(row[1]) for row in connection.execute("PRAGMA table_info(clients)")}
    if not there:
        return []
    boot = "boot" if "boot" in there else "''"
    query = f"SELECT pid, host, terminal, {boot} FROM clients WHERE heartbeat_at > ? ORDER BY id"
    rows = connection.execute(query, [micros(datetime.now(UTC) - _SILENT)])
    return [
        f"process {pid}{f' on {terminal}' if terminal else ''}{'' if host == socket.gethostname() else f' of {host}'}"
        for pid, host, terminal, boot in rows
        if not _gone(int(pid), str(host), str(boot))
    ]


def _gone(pid: int, host: str, boot: str) -> bool:
    """Whether this system knows that there is no such process; in another container it has another number."""
    if host != socket.gethostname() or (boot and boot != _this_system()):
        return False
    if pid == os.getpid():
        return True  # a former process: this one is not on the list yet
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _this_system() -> str:
    """As engine.runs.liveness has it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
