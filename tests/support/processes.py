"""What the processes of a running program come to: who is left, and how much memory they take together (Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path


def wait_until_gone(text: str, patience: float = 10.0) -> None:
    """Wait until no process but this one has a text in its command line or environment."""
    deadline = time.monotonic() + patience
    while True:
        found = [
            pid
            for pid in [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
            if pid != os.getpid() and _says(pid, text)
        ]
        if not found:
            return
        if time.monotonic() > deadline:
            listing = subprocess.run(
                ["ps", "-fp", ",".join(map(str, found))], capture_output=True, text=True, check=False
            )
            raise AssertionError(f"still alive:\n{listing.stdout}")
        time.sleep(0.05)


def end_all(text: str) -> None:
    """Kill every process but this one that has a text in its command line or environment (Linux; elsewhere none)."""
    for one in Path("/proc").glob("[0-9]*"):
        pid = int(one.name)
        if pid != os.getpid() and _says(pid, text):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def family(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):  # it has just ended
                found += map(int, children.read_text().split())
    return found


class Memory:
    """Watches the memory of a process with all its descendants; use it as a context manager. `peak` is in bytes, each
    page counted once however many share it."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.peak = max(self.peak, sum(map(_memory, family(self._pid))))


def _memory(pid: int) -> int:
    """A process's proportional share of its pages, in bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _says(pid: int, text: str) -> bool:
    try:
        return any(text.encode() in Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    except OSError:
        return False
