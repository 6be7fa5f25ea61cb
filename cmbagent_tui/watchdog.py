"""For development: names what held the loop up. On with CMBAGENT_WATCHDOG=1, or under `textual run --dev`."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Mapping

from cmbagent_tui.log import Log

LIMIT = 0.02  # seconds that one thing may hold the loop up
_PAUSE = 0.005  # seconds between two looks


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for it."""
    return environ.get("CMBAGENT_WATCHDOG", "") not in ("", "0") or "devtools" in environ.get("TEXTUAL", "")


class Watchdog:
    """Looks, from a thread, whether the loop takes a turn in time; if not, at what it is doing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        """To be made in the loop's own thread."""
        self._loop = loop
        self._log = log
        self._watched = threading.get_ident()
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE):
            turned = threading.Event()
            asked = time.perf_counter()
            try:
                self._loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # the loop is closed
                return
            if turned.wait(LIMIT):
                continue
            stack = self._stack()
            while not turned.wait(1.0):
                if self._over.is_set():
                    return
            self._log.write(
                "slow", f"the loop was held up for {1000 * (time.perf_counter() - asked):.0f} ms by\n{stack}"
            )

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)
        return "".join(traceback.format_stack(frame)[-12:]) if frame is not None else "a thread that has ended"
