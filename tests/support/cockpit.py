"""The program as its users meet it: its command line as a process, and its app in a real terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

PROGRAM = [sys.executable, "-m", "cmbagent_tui"]
PATIENCE = 60.0  # seconds that something may take before the test gives up on it


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON object that it must be."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Cockpit:
    """The program with a home of its own and no key in its environment. `prefix` is a command that runs it."""

    def __init__(self, home: Path, *, prefix: Sequence[str] = (), **environ: str) -> None:
        self.home = home
        self._command = [*prefix, *PROGRAM]
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR", "SYSTEMROOT") if key in os.environ}
        self.environ = {
            **kept,
            "HOME": str(home.parent),
            "CMBAGENT_HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            **environ,
        }

    def say(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE, **environ: str) -> Said:
        """Run a command to its end."""
        done = subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**self.environ, **environ},
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [*self._command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environ, **environ},
        )

    def until_code_runs(self, step_id: str = "task") -> str:
        """Wait until a step's code has started; return the run's id."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for run in self.say("runs", "--json").json["runs"]:
                view = self.say("show", run["run_id"], "--json").json
                running = {
                    node["id"] for node in view["nodes"] if node["step"] == step_id and node["state"] == "running"
                }
                events = self.say("show", run["run_id"], "--events", "--json").json["events"]
                if any(event["kind"] == "code_exec" and event["node_id"] in running for event in events):
                    return run["run_id"]
            time.sleep(0.05)
        raise AssertionError("no code was started")

    def when_over(self, run_id: str) -> dict[str, Any]:
        """Wait until a run is over, whoever drives it; return it as `show --json` does."""
        followed = self.say("show", run_id, "--follow", timeout=2 * PATIENCE)
        assert followed.code == 0, followed.err
        return self.say("show", run_id, "--json").json

    @contextmanager
    def terminal(
        self, *arguments: str, columns: int = 80, rows: int = 24, environ: Mapping[str, str] | None = None
    ) -> Iterator[Terminal]:
        """Run a command in a terminal of this size."""
        terminal = Terminal([*self._command, *arguments], {**self.environ, **(environ or {})}, columns, rows)
        try:
            yield terminal
        finally:
            terminal.end()

    @contextmanager
    def shell(self, *, columns: int = 100, rows: int = 30, **environ: str) -> Iterator[Terminal]:
        """A shell that does job control, in a terminal, in which `cmbagent-tui` is this program."""
        terminal = Terminal(
            ["bash", "--noprofile", "--norc", "-i"], {**self.environ, "PS1": "$ ", **environ}, columns, rows
        )
        try:
            terminal.keys(f"alias cmbagent-tui={shlex.quote(shlex.join(self._command))}\r")
            yield terminal
        finally:
            terminal.end()


class Terminal:
    """A program in a pseudo-terminal, with the screen that it has painted. `raw` is every byte that it wrote."""

    def __init__(self, command: list[str], environ: Mapping[str, str], columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.code: int | None = None
        self.beside: Sequence[Terminal] = ()  # terminals that go on painting while this one is looked at
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
        self.resize(columns, rows)

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def modes(self) -> dict[int, bool]:
        """The private modes that were set or reset (25 the cursor, 1049 the other screen, 1000 … the mouse)."""
        return {int(mode): how == b"h" for mode, how in re.findall(rb"\x1b\[\?(\d+)([hl])", bytes(self.raw))}

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size, as dragging its corner does."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def keys(self, *keys: str) -> None:
        """Press keys, one after another, each read by the program before the next."""
        for key in keys:
            os.write(self._fd, _KEYS.get(key, key).encode())
            self._read(0.3 if key == "escape" else 0.05)  # an escape begins a sequence, unless nothing follows it

    def until(self, *texts: str, timeout: float = PATIENCE) -> str:
        """Wait until the screen shows all of these texts; return it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self._read(0.05)
            if all(text in self.text for text in texts):
                return self.text
            if self.code is not None:
                raise AssertionError(f"the program ended with {self.code} before it showed {texts}:\n{self.text}")
        raise AssertionError(f"the screen did not show {texts} within {timeout:g} s:\n{self.text}")

    def until_gone(self, text: str, timeout: float = PATIENCE) -> str:
        """Wait until the screen no longer shows a text."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self._read(0.05)
            if text not in self.text:
                return self.text
        raise AssertionError(f"the screen still shows {text!r} after {timeout:g} s:\n{self.text}")

    def screen_settles(self, quiet: float = 0.5) -> None:
        """Wait until the screen has not changed for a while (seconds): a person looks before pressing a key."""
        shown = None
        while shown != self.text:
            shown = self.text
            deadline = time.monotonic() + quiet
            while time.monotonic() < deadline:
                self._read(0.05)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait until the program has ended; return its exit code."""
        deadline = time.monotonic() + timeout
        while self.code is None and time.monotonic() < deadline:
            self._read(0.05)
        if self.code is None:
            raise AssertionError(f"the program did not end within {timeout:g} s:\n{self.text}")
        return self.code

    def hang_up(self) -> None:
        """Close the terminal under the program, as a dropped line does."""
        os.close(self._fd)
        self._fd = -1

    def end(self) -> None:
        """End the program, if it still runs."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        if self._fd >= 0:
            os.close(self._fd)

    def _read(self, patience: float) -> None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        for other in self.beside:
            other._take(0.0)
        if self._fd < 0:
            time.sleep(patience)
        self._take(patience)

    def _take(self, patience: float) -> None:
        while self._fd >= 0 and select.select([self._fd], [], [], patience)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.raw += data
            self._stream.feed(data)
            patience = 0.0


_KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
    "ctrl+q": "\x11",
    "ctrl+z": "\x1a",
}
