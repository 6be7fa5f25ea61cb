"""Finds processes by the tag in their environment and ends them: the last resort when those that would have cleaned up
were killed themselves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from engine.model.environment import TAG

_PROC = Path("/proc")


def kill_tagged(owners: Collection[str], patience: float = 1.0, grace: float = 0.0) -> list[int]:
    """Kill every process of this user that belongs to one of these, an attempt or one worker of an attempt; the ids
    of those that were found.

    Those that guard others are given `grace` seconds to end them first: only they find who has dropped the tag. Blocks
    (some milliseconds a round); returns when a look finds none, or `patience` seconds later. Needs /proc: without it
    nothing is found.
    """
    found: list[int] = []
    begun = time.monotonic()
    while owners and (tagged := _tagged(owners)) and (passed := time.monotonic() - begun) < grace + patience:
        found += [pid for pid in tagged if pid not in found]
        for pid in tagged if passed >= grace else ():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)
    return found


def started(pid: int) -> int | None:
    """When a process started, in the kernel's ticks: with the id, the name of one process only. None when it is not
    there, or has ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _tagged(owners: Collection[str]) -> list[int]:
    wanted = {f"{TAG}={owner}".encode() for owner in owners}
    found: list[int] = []
    with suppress(OSError):
        for entry in _PROC.iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    # A process that has ended has no environment any more.
                    for variable in (entry / "environ").read_bytes().split(b"\0"):
                        tag = variable.partition(b"/")[0]
                        if tag in wanted or tag.partition(b".")[0] in wanted:
                            found.append(int(entry.name))
    return found
