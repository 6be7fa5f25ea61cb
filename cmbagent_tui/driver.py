"""Textual's driver, for a terminal that may stall or vanish: neither holds up the loop, in which the engine works.

Textual's own writes through a queue of thirty pieces. When nobody reads them (a line that is about to drop), or the
thread behind it has met an error (one that has), the thirty-first stops everything.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from textual.app import App

_MOST = 1_000_000  # characters that may wait to be written
_SHORT = 100  # characters: what is shorter may set a mode of the terminal, and is never left out
_PATIENCE = 2.0  # seconds for a terminal that stalls to take the last of it


class CockpitDriver(LinuxDriver):
    """Paints what a terminal takes. One that has vanished is as good as a SIGHUP, which may come late or never."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse and getattr(app, "takes_mouse", True), size=size)
        self._output: _Output | None = None

    def start_application_mode(self) -> None:
        if self._output is None:
            terminal = cast(TextIO, sys.__stderr__)
            self._output = _Output(terminal, partial(self._loop.call_soon_threadsafe, self._paint_anew))
        super().start_application_mode()

    def write(self, data: str) -> None:
        if self._output is not None:
            self._output.write(data)

    def close(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = None
        super().close()

    def run_input_thread(self) -> None:
        try:
            super().run_input_thread()
        except OSError as error:
            _expect_vanished(error)

    def _paint_anew(self) -> None:
        self._app.refresh(layout=True)


class _Output:
    """What waits to be written, and the thread that writes it."""

    def __init__(self, terminal: TextIO, left_out: Callable[[], object]) -> None:
        """`left_out` is called once all is written, if some of it had to be left out."""
        self._terminal = terminal
        self._left_out = left_out
        self._queue: deque[str] = deque()
        self._waiting = 0  # characters, with those that are being written
        self._incomplete = self._closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        with self._changed:
            if self._waiting > _MOST and len(text) > _SHORT:
                self._incomplete = True
                return
            self._queue.append(text)
            self._waiting += len(text)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (text := self._next()) is not None:
            try:
                self._terminal.write(text)
                self._terminal.flush()
            except OSError as error:
                _expect_vanished(error)
            with self._changed:
                self._waiting -= len(text)
                again = self._incomplete and not self._waiting
                self._incomplete = self._incomplete and not again
            if again:
                self._left_out()

    def _next(self) -> str | None:
        """All that waits, as soon as there is something; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            pieces = list(self._queue)
            self._queue.clear()
        return "".join(pieces) if pieces else None


def _expect_vanished(error: OSError) -> None:
    if error.errno != errno.EIO:
        raise error
    os.kill(os.getpid(), signal.SIGHUP)
