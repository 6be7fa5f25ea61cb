"""A worker that does not keep to the protocol: in step b, something is wrong with one of its frames.

It stands in the place of the attempt (see engine.host.ZygoteLauncher). The run's task says what, which frame, and by
which seed: "garbage KIND NUMBER SEED".
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from typing import Any

from engine.model.frames import WorkerSpec
from engine.worker.attempt import run_attempt
from engine.worker.channel import Channel

KINDS = ("mutated", "mutated", "mutated", "twice", "half", "binary", "foreign", "long", "prints")
STRANGE: list[Any] = [
    *(None, True, -1, 2**70, 1e308, "", "\ud800", "\x1b[2J\x00", "x" * 100_000, "../../../etc/passwd", "/", [], {}),
    *("2026-01-01T00:00:00", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-12:00", [[[[]]]], {"a": {}}),
]


async def run(spec: WorkerSpec, channel: Channel) -> None:
    """Make the attempt, with one frame spoilt."""
    _, kind, number, seed = spec.task.split()
    if spec.step_id == "b":
        _Spoilt(channel, kind, int(number), random.Random(int(seed)))
    await run_attempt(spec, channel)


class _Spoilt:
    """Stands before a channel's frames."""

    def __init__(self, channel: Channel, kind: str, number: int, luck: random.Random) -> None:
        self._channel: Any = channel
        self._kind, self._left, self._luck = kind, number, luck
        self._send: Callable[[Any], None] = channel._send
        self._channel._send = self._sent

    def _sent(self, frame: Any) -> None:
        self._left -= 1
        if self._left:
            self._send(frame)
            return
        line = frame.model_dump_json().encode()
        match self._kind:
            case "mutated":
                self._write(json.dumps(mutated(json.loads(line), self._luck)).encode() + b"\n")
            case "twice":
                self._write(line + b"\n" + line + b"\n")
            case "half":
                self._write(line[: len(line) // 2])
                os._exit(0)
            case "binary":
                self._write(self._luck.randbytes(self._luck.randint(1, 5000)) + b"\n" + line + b"\n")
            case "foreign":
                self._write(self._luck.choice([b"\n", b"null\n", b"[" * 9999 + b"\n", b"\x1b]0;owned\x07\n"]))
                self._send(frame)
            case "long":
                for _ in range(100):
                    self._write(b"x" * 1_000_000)
            case _:
                for stream in (sys.stdout, sys.stderr):
                    stream.write("\x1b[31mfrom the worker\x07\n" * 2000)
                    stream.flush()
                os.write(1, b"\xff\xfe raw\n")
                self._send(frame)

    def _write(self, data: bytes) -> None:
        """Past the channel, behind what it has sent."""
        os.set_blocking(self._channel._outgoing, True)
        while data:
            data = data[os.write(self._channel._outgoing, data) :]
        os.set_blocking(self._channel._outgoing, False)


def mutated(frame: dict[str, Any], luck: random.Random) -> dict[str, Any]:
    """A frame with one value, wherever it lies, replaced, left out or added."""
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [frame]
    for one in waiting:
        inner = one.items() if isinstance(one, dict) else enumerate(one)
        for key, value in inner:
            places.append((one, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    where, key = luck.choice(places)
    if luck.random() < 0.2 and isinstance(where, dict):
        del where[key]
    else:
        where[key] = luck.choice(STRANGE)
    return frame
