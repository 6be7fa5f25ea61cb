"""The warm parent: imports AG2 once, then forks a worker whenever it is asked to, reaps it and says how it ended.

It has one thread, no event loop and no database. The engine talks to it over one socket, a JSON object a line:

- `{"fork": ID, "tag": TAG}` with three descriptors beside it (the worker's end of the frames, its stdout, its
  stderr) → `{"forked": ID, "pid": PID}` or `{"failed": ID, "why": …}`; and once the worker and all that came of it are
  gone, `{"ended": ID, "code": exit code or minus the signal, "clean": whether nothing was left}`
- `{"signal": ID, "number": N}`: to the worker's process group; 9 also reaches whatever has left the group.

When the socket closes, or the engine ends, it kills all its workers and goes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from engine.worker.guard import KILL, adopt_orphans, die_with, family, kill, kill_group, sweep

# What a provider's first call would import; importing it here makes that call as fast as any later one.
_PROVIDERS = {
    "openai": ("openai", "openai.resources.chat.completions", "ag2.config.openai"),
    "anthropic": ("anthropic", "anthropic.resources.messages", "ag2.config.anthropic"),
    "gemini": ("google.genai", "google.genai.models", "ag2.config.gemini"),
    "ollama": ("ollama", "ag2.config.ollama"),
}


class Zygote:
    """Forks workers and looks after them."""

    def __init__(self, control: socket.socket, entry: str) -> None:
        self._control = control
        self._entry = entry
        self._received = bytearray()
        self._descriptors: list[int] = []
        self._workers: dict[int, int] = {}  # pid → id
        self._open = True

    def serve(self) -> None:
        """Serve until the engine goes."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._notice)
        signal.signal(signal.SIGTERM, self._terminate)
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(woken, select.POLLIN)
        self._say({"ready": os.getpid()})
        while self._open:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if woken in ready:
                with suppress(BlockingIOError):
                    os.read(woken, 4096)
                self._reap()
            if self._control.fileno() in ready:
                self._receive(woken, wake)
        for pid in self._workers:
            kill_group(pid, KILL)
        sweep(set(), patience=3.0)

    def _notice(self, number: int, frame: object) -> None:
        """A child has ended: the byte in the pipe says so."""

    def _terminate(self, number: int, frame: object) -> None:
        self._open = False

    def _receive(self, *own: int) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 32)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._descriptors += descriptors
        if not data:
            self._open = False
        self._received += data
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            order: dict[str, Any] = json.loads(line)
            if "fork" in order:
                self._fork(order["fork"], order["tag"], own)
            else:
                self._signal(order["signal"], order["number"])

    def _fork(self, number: int, tag: str, own: Sequence[int]) -> None:
        frames, out, err = self._descriptors[:3]
        del self._descriptors[:3]
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._say({"failed": number, "why": error.strerror})
            pid = -1
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                for descriptor in (self._control.detach(), *own, *self._descriptors):
                    os.close(descriptor)
                gc.enable()
                from engine.worker.process import main

                main(frames, frames, parent=parent, tag=tag, entry=self._entry, output=(out, err))
            finally:
                os._exit(70)
        for descriptor in (frames, out, err):
            os.close(descriptor)
        if pid > 0:
            self._workers[pid] = number
            self._say({"forked": number, "pid": pid})

    def _signal(self, number: int, which: int) -> None:
        pid = next((pid for pid, known in self._workers.items() if known == number), None)
        if pid is None:
            return
        if which == KILL:
            for one in family(pid)[1:]:
                kill(one, KILL)
        kill_group(pid, which)

    def _reap(self) -> None:
        """Take note of every worker that has ended; what it left behind fell to this process, and is killed first."""
        ended: list[tuple[int, int]] = []  # (id, exit code)
        for pid in tuple(self._workers):
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                ended.append((self._workers.pop(pid), os.waitstatus_to_exitcode(status)))
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, KILL)
        clean = sweep(set(self._workers))
        for number, code in ended:
            self._say({"ended": number, "code": code, "clean": clean})

    def _say(self, what: dict[str, Any]) -> None:
        try:
            self._control.sendall(json.dumps(what).encode() + b"\n")
        except OSError:
            self._open = False


def main(argv: Sequence[str] | None = None) -> None:
    """Run as a program."""
    from engine.worker.process import ENTRY, find_entry

    parser = argparse.ArgumentParser(prog="python -m engine.worker.zygote")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the socket to the engine")
    parser.add_argument("--parent", type=int, required=True, help="process id of the engine")
    parser.add_argument("--provider", action="append", default=[], choices=sorted(_PROVIDERS), help="to be warmed up")
    parser.add_argument("--entry", default=ENTRY, help="module:function that a worker runs")
    options = parser.parse_args(argv)
    # A thread of the engine's may end before the engine does, and the signal is bound to the thread: so it is one that
    # can be handled. The end of the socket is what counts.
    die_with(options.parent, signal.SIGTERM)
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=options.control)
    control.set_inheritable(False)
    find_entry(options.entry)
    for provider in options.provider:
        for module in _PROVIDERS[provider]:
            with suppress(ImportError):
                if find_spec(module.partition(".")[0]):
                    import_module(module)
    if options.entry == ENTRY:
        from engine.worker.warm import warm

        warm(options.provider)
    if threading.active_count() != 1:
        sys.exit(f"a warm parent must have one thread; it has {[thread.name for thread in threading.enumerate()]}")
    gc.collect()
    gc.disable()
    gc.freeze()
    Zygote(control, options.entry).serve()


if __name__ == "__main__":
    main()
