"""The front: the process that a shell waits for, while the cockpit runs as its child on the same terminal.

A process cannot give its shell the prompt back and go on; a child of it can. So the cockpit may leave (a person chose
to leave the work running, or the line dropped): it lets go of the terminal, and the front ends in its place. Until
then the front has no will of its own: it hands on what it is told, stops and goes on with the cockpit, and ends as the
cockpit ends. When the front is killed, the cockpit goes with it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from types import FrameType
from typing import Any

_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the cockpit dies of them only before it has painted
# An end to kitty's keys and to reports of mouse, focus, pastes and sizes; lines wrap; the screen as it was; the cursor.
_SANE = b"\x1b[<u" + b"".join(b"\x1b[?%dl" % mode for mode in (1000, 1003, 1015, 1006, 1004, 2004, 2048))
_SANE += b"\x1b[?7h\x1b[?1049l\x1b[?25h"


def behind_front(cockpit: Callable[[Tether], int]) -> int:
    """Run the cockpit in a child of this process; return the exit code, in the child and in the front alike.

    To be called while nothing heavy is imported and no thread has been started.
    """
    here, there = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        here.close()
        return cockpit(Tether(there))
    there.close()
    return _Front(child, here).wait()


class Tether:
    """What ties the cockpit to its front."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._loose = False
        # ctrl+c reaches the front and the cockpit. Until the cockpit has a handler, once must be enough.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        Thread(target=self._watch, name="tether", daemon=True).start()

    def let_go(self, words: str = "") -> None:
        """Leave the terminal (for good, with all that is open on it) and have the front end, saying these words."""
        if self._loose:
            return
        if self._front_was_killed():  # a terminal that was its alone hangs up at its end
            os.kill(os.getpid(), signal.SIGKILL)
        self._loose = True
        os.setsid()
        _leave_terminal()
        with suppress(OSError):  # the front has just been killed
            self._line.sendall(words.encode() + b"\n")
            self._line.shutdown(socket.SHUT_WR)

    def _watch(self) -> None:
        self._line.recv(1)  # nothing is ever said: this is the end of the front
        if not self._loose:
            os.kill(os.getpid(), signal.SIGKILL)

    def _front_was_killed(self) -> bool:
        with suppress(BlockingIOError):
            return not self._line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return False


class _Front:
    """The parent's side."""

    def __init__(self, child: int, line: socket.socket) -> None:
        self._child = child
        self._line = line
        self._status: int | None = None
        self._terminal: list[Any] | None = None
        with suppress(termios.error):
            self._terminal = termios.tcgetattr(0)
        signal.signal(signal.SIGCHLD, self._look)
        for number in _HANDED_ON:
            signal.signal(number, self._hand_on)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # ctrl+z reaches the cockpit too; the front stops when that has

    def wait(self) -> int:
        """Return the cockpit's exit code once it has ended, or 0 when it has left."""
        said = b""
        while piece := self._line.recv(4096):
            said += piece
        if said:
            _tell(said.decode().strip())
            return 0
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if self._status is None:
            self._status = os.waitpid(self._child, 0)[1]
        code = os.waitstatus_to_exitcode(self._status)
        if code >= 0:
            return code
        if -code not in _HANDED_ON:
            self._restore()
            name = signal.Signals(-code).name
            _tell(f"The cockpit was ended by {name}. What was recorded is kept: `cmbagent-tui` goes on.")
        return 128 - code

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._child, number)

    def _look(self, number: int, frame: FrameType | None) -> None:
        if self._status is None and self._changed(os.WUNTRACED):
            if _shell_waits():
                os.kill(os.getpid(), signal.SIGSTOP)
            if not self._changed(os.WCONTINUED):  # a shell continues both, and twice is once too often
                self._hand_on(signal.SIGCONT, frame)

    def _changed(self, how: int) -> bool:
        """Whether the cockpit has stopped (WUNTRACED) or gone on (WCONTINUED) since the last look."""
        pid, status = os.waitpid(self._child, os.WNOHANG | how)
        if pid and not (os.WIFSTOPPED(status) or os.WIFCONTINUED(status)):
            self._status = status
        return bool(pid) and self._status is None

    def _restore(self) -> None:
        """Bring back the terminal that the cockpit could not give back itself."""
        with suppress(OSError, termios.error):
            os.write(2, _SANE)
            if self._terminal is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, self._terminal)


def _leave_terminal() -> None:
    """From now on nothing is to be read, and what is said goes nowhere.

    The end of a vanished terminal is always ready to be read, and Textual's input thread would spin on it; a pipe into
    which nobody writes keeps it waiting until the app has gone.
    """
    nothing, kept_open = os.pipe()
    os.dup2(nothing, 0)
    os.write(kept_open, b"\0")  # for a read that had begun when the terminal was still there: no key is bound to it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _shell_waits() -> bool:
    """Whether there is anybody who could have a stopped front go on: a parent that does job control for it."""
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except (ProcessLookupError, PermissionError):
        return False


def _tell(words: str) -> None:
    with suppress(OSError):  # the terminal has gone
        if words:
            print(words, file=sys.stderr, flush=True)  # noqa: T201
