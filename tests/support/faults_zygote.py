"""A warm parent that is forked from a process which has imported what it needs, in place of one that imports it: ten
milliseconds instead of two seconds. From then on it is the real one."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

from engine.host import warm


def install() -> None:
    """Have this process's launchers fork their warm parents."""
    warm.subprocess = SimpleNamespace(  # type: ignore[assignment]
        Popen=_Forked, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired
    )


class _Forked:
    """What of subprocess.Popen is used."""

    def __init__(
        self, command: Sequence[str], *, stderr: int, env: Mapping[str, str], pass_fds: Sequence[int], **_: Any
    ) -> None:
        (control,) = pass_fds
        engine = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _be_one(command, control, stderr, env, engine)

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (timeout or 600.0)
        while time.monotonic() < deadline:
            gone, status = os.waitpid(self.pid, os.WNOHANG)
            if gone:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        raise subprocess.TimeoutExpired("zygote", timeout or 600.0)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _be_one(command: Sequence[str], control: int, stderr: int, env: Mapping[str, str], engine: int) -> NoReturn:
    code = 1
    try:
        gc.disable()
        gc.freeze()  # what was the engine's is never touched again: its destructors would close descriptors of ours
        os.setsid()
        for standard in (1, 2):
            os.dup2(stderr, standard)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        kept = os.dup2(control, 3)
        os.closerange(4, 4096)
        os.environ.clear()
        os.environ.update(env)
        from engine.worker.guard import adopt_orphans, die_with
        from engine.worker.process import ENTRY, find_entry
        from engine.worker.zygote import Zygote

        die_with(engine, signal.SIGTERM)
        adopt_orphans()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        entry = command[command.index("--entry") + 1] if "--entry" in command else ENTRY
        find_entry(entry)
        Zygote(socket.socket(fileno=kept), entry).serve()
        code = 0
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)
