"""Liveness: whether the process behind a client row still lives.

All who write to a database run on one kernel, which knows: a process is there, or it is not. Of one that is there and
says nothing (it sleeps, or hangs), and of one in another container, only the heartbeat tells. Clocks jump, so the time
that a heartbeat names is never held against the wall clock: what counts is for how long it stayed the same.
"""

from __future__ import annotations

import os
from datetime import datetime
from functools import cache
from pathlib import Path

from engine.host.sweep import started
from engine.model.clients import Client
from engine.ports import Clock


@cache
def this_system() -> str:
    """What tells this system's process ids from those of another boot ("boot/…") or container; empty where that is not
    known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def this_process() -> str:
    """What tells this process from a later one with the same id; empty where that is not known."""
    return str(started(os.getpid()) or "")


class Watch:
    """Keeps in mind when each client was last heard of. `silent` is in seconds."""

    def __init__(self, clock: Clock, silent: float) -> None:
        self._clock = clock
        self._silent = silent
        self._heard: dict[str, tuple[datetime, float]] = {}

    def alive(self, client: Client) -> bool:
        """Whether a client is to be reckoned with: it may still drive what it owns."""
        if _gone(client):
            return False
        now = self._clock.monotonic()
        beat, since = self._heard.get(client.id, (client.heartbeat_at, now))
        if beat != client.heartbeat_at:
            since = now
        self._heard[client.id] = (client.heartbeat_at, since)
        return now - since < self._silent


def _gone(client: Client) -> bool:
    """Whether the system itself says that the process is no more."""
    here = this_system()
    if client.boot != here:
        return client.boot.partition("/")[0] != here.partition("/")[0]  # from before the last boot
    if here:
        start = started(client.pid)
        return start is None or str(start) != client.process
    try:
        os.kill(client.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
