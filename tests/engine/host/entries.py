"""What workers do in these tests: each function stands in the place of the attempt. The task says what, as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from engine.model.frames import DeltaFrame, EventFrame, Hello, JournalFrame, ResultFrame, WorkerSpec
from engine.worker.channel import Channel

DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


async def run(spec: WorkerSpec, channel: Channel) -> None:
    """Do what the task says, then report a result."""
    channel.emit(Hello(pid=os.getpid(), sandbox=spec.sandbox))
    await globals()[f"do_{json.loads(spec.task)['do']}"](spec, channel, json.loads(spec.task))
    await channel.commit(lambda n: ResultFrame(n=n, ok=True, summary="done"))


def point(title: str, **data: object) -> EventFrame:
    return EventFrame(id=title, kind="output", at=datetime.now(UTC), title=title, data=data)


async def do_nothing(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    pass


async def do_tell(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    limits = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("CORE", "FSIZE")}
    channel.emit(
        point(
            "told",
            environ=dict(os.environ),
            session=os.getsid(0) == os.getpid(),
            limits=limits,
            random=random.random(),
        )
    )


async def do_talk(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    for number in range(told["events"]):
        channel.emit(point(str(number), text="x" * told.get("size", 10)))
        await channel.drain()
    if told.get("leave"):
        os._exit(0)


async def do_promise(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    for number in range(3):
        await channel.commit(
            lambda n, number=number: JournalFrame(
                n=n, agent="a", sequence=number + 1, kind="model", request_hash="", at=datetime.now(UTC), answer={}
            )
        )
        channel.emit(DeltaFrame(event="e", text=f"durable {number}"))


async def do_print(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    print("from the worker")
    print("\x1b]0;title\x07\x1b[31mred\x1b[0m", file=sys.stderr)
    os.write(1, b"\xff\xfe raw\n")
    subprocess.run(["sh", "-c", "echo from a child; echo from its stderr >&2"], check=True)
    for _ in range(told.get("mb", 0)):
        os.write(1, b"x" * 1_000_000)


async def do_raise(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    raise ValueError(told["what"])


async def do_exit(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    os._exit(told["code"])


async def do_die(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    os.kill(os.getpid(), told["signal"])


async def do_hang(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    """Neither a signal's handler nor the event loop gets a turn."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while True:
        time.sleep(600)


async def do_sleep(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    try:
        await asyncio.sleep(600)
    finally:
        Path(spec.workdir, "cleaned up").touch()


async def do_beget(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    """Start a child, a grandchild in a session of its own, and a daemon; write their ids; then go on as told."""
    work = Path(spec.workdir)
    env = None if told.get("tagged", True) else {"PATH": os.environ["PATH"]}
    plain = subprocess.Popen(["sleep", "600"], env=env)
    apart = subprocess.Popen(["sleep", "600"], env=env, start_new_session=True)
    (work / "plain").write_text(str(plain.pid))
    (work / "apart").write_text(str(apart.pid))
    subprocess.run([sys.executable, "-c", DAEMON, str(work / "daemon")], env=env, check=True)
    while not (work / "daemon").exists() or not (work / "daemon").read_text():
        await asyncio.sleep(0.01)
    channel.emit(point("born"))
    after = told.get("after")
    if after:
        await globals()[f"do_{after}"](spec, channel, told)


async def do_raw(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    """Write bytes past the channel, then wait to be stopped (or close)."""
    await asyncio.sleep(0.05)  # until the greeting is through
    outgoing: int = channel._outgoing
    os.set_blocking(outgoing, True)
    os.write(outgoing, told["text"].encode("latin-1"))
    for _ in range(told.get("mb", 0)):
        os.write(outgoing, b"x" * 1_000_000)
    if told.get("close"):
        os._exit(0)
    await asyncio.sleep(600)


async def do_eat(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    held = bytearray(told["bytes"])
    channel.emit(point("ate", bytes=len(held)))


async def do_write(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    with Path(spec.workdir, "big").open("wb") as file:
        file.write(b"x" * told["bytes"])


async def do_shut(spec: WorkerSpec, channel: Channel, told: dict) -> None:
    """Close the frames, and stay."""
    await channel.close()
    await asyncio.sleep(600)
