"""A host for one worker in the same process: it speaks the frame protocol over a real socket, checks what the protocol
promises, and acknowledges."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from engine.agents.registry import load_agents
from engine.model.frames import (
    MAX_FRAME,
    Ack,
    DeltaFrame,
    EventFrame,
    FilesFrame,
    JournalFrame,
    MessageFrame,
    ModelSpec,
    RecordedEntry,
    ResultFrame,
    ScriptedAnswer,
    ScriptedCall,
    Start,
    UsageFrame,
    WorkerFrame,
    WorkerSpec,
    worker_frame,
)
from engine.model.plan import PlanStep
from engine.worker.attempt import run_attempt
from engine.worker.channel import Channel

F = TypeVar("F", bound=BaseModel)
BeforeAck = Callable[[Any], Awaitable[str | None]]


@dataclass
class Heard:
    """Everything that a worker said, in order."""

    frames: list[WorkerFrame] = field(default_factory=list)

    def of(self, kind: type[F]) -> list[F]:
        return [one for one in self.frames if isinstance(one, kind)]

    @property
    def result(self) -> ResultFrame:
        (one,) = self.of(ResultFrame)
        assert self.frames[-1] is one, "the result is the last word"
        return one

    @property
    def why(self) -> str:
        """What a person reads about the failure."""
        failure = self.result.failure
        assert failure is not None, f"it did not fail: {self.result.summary}"
        return f"{failure.message}\n{failure.hint}"

    @property
    def category(self) -> str:
        assert self.result.failure is not None
        return self.result.failure.category

    def events(self, kind: str, phase: str | None = None) -> list[EventFrame]:
        return [one for one in self.of(EventFrame) if one.kind == kind and phase in (None, one.phase)]

    def said(self, role: str) -> list[str]:
        return [one.content for one in self.of(MessageFrame) if one.role == role]

    def streamed(self, event: EventFrame) -> str:
        return "".join(one.text for one in self.of(DeltaFrame) if one.event == event.id)

    def recorded(self) -> tuple[RecordedEntry, ...]:
        """The journal as it would be given to a worker that continues this attempt."""
        entries: dict[tuple[str, int], JournalFrame] = {}
        for one in self.of(JournalFrame):
            entries[one.agent, one.sequence] = one
        return tuple(
            RecordedEntry(
                agent=one.agent,
                sequence=one.sequence,
                kind=one.kind,
                request_hash=one.request_hash,
                answer=one.answer,
                name=one.name,
            )
            for one in entries.values()
        )

    def check_nesting(self) -> None:
        """Every start has its one end behind it, and every parent was opened before its children."""
        opened: dict[str, EventFrame] = {}
        closed: set[str] = set()
        for one in self.of(EventFrame):
            assert one.parent is None or one.parent in opened, f"{one.kind} hangs under nothing"
            if one.phase == "start":
                opened[one.id] = one
            elif one.phase == "end":
                assert one.span in opened and one.span not in closed
                assert opened[one.span].kind == one.kind
                closed.add(one.span)
        assert closed == set(opened), "something has begun and not ended"
        for other in [*self.of(UsageFrame), *self.of(DeltaFrame)]:
            assert other.event in opened


async def attempt(spec: WorkerSpec, before_ack: BeforeAck | None = None) -> Heard:
    """Run an attempt to its end and return what was heard. `before_ack` sees a frame before it is acknowledged; what it
    returns is the error that the frame is refused with."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_FRAME)
    descriptor = theirs.detach()
    channel = Channel(descriptor, descriptor, lambda: None)
    heard = Heard()
    writer.write(Start(spec=spec).model_dump_json().encode() + b"\n")
    work = asyncio.create_task(_work(channel))
    try:
        while line := await reader.readline():
            frame = worker_frame.validate_json(line)
            heard.frames.append(frame)
            number = getattr(frame, "n", None)
            if number is None:
                continue
            if isinstance(frame, FilesFrame):
                _check_files(frame, Path(spec.workdir))
            error = await before_ack(frame) if before_ack else None
            writer.write(Ack(n=number, error=error).model_dump_json().encode() + b"\n")
        await work
    finally:
        work.cancel()
        await asyncio.wait([work])
        writer.close()
    return heard


async def _work(channel: Channel) -> None:
    try:
        await run_attempt(await channel.start(), channel)
    finally:
        await channel.close()


def _check_files(frame: FilesFrame, root: Path) -> None:
    for change in frame.changes:
        if change.sha256 is not None:
            data = (root / change.path).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (change.sha256, change.size)


def step_spec(
    workdir: Path,
    *answers: ScriptedAnswer,
    agent: str = "engineer",
    model: ModelSpec | None = None,
    step: dict[str, Any] | None = None,
    **more: Any,
) -> WorkerSpec:
    """An attempt of a step, answered by a script or by the model given."""
    the_step = PlanStep.model_validate({"id": "fit", "title": "Fit the model", "agent": agent, **(step or {})})
    return _spec(workdir, answers, model, step_id=the_step.id, step=the_step, **more)


def planning_spec(workdir: Path, *answers: ScriptedAnswer, model: ModelSpec | None = None, **more: Any) -> WorkerSpec:
    """An attempt of making a plan; pass `planning`."""
    return _spec(workdir, answers, model, step_id="planning", **more)


def _spec(workdir: Path, answers: tuple[ScriptedAnswer, ...], model: ModelSpec | None, **more: Any) -> WorkerSpec:
    agents = more.pop("agents", load_agents(None))
    the_model = model or ModelSpec(provider="journal", name="test.jsonl")
    values = {
        "session_id": "session",
        "run_id": "run",
        "node_id": "node",
        "attempt_id": "attempt",
        "attempt": 1,
        "task": "Is this oscillator damped?",
        "workdir": str(workdir),
        "agents": agents,
        "models": dict.fromkeys(agents, the_model),
        "scripted": answers,
    }
    return WorkerSpec.model_validate({**values, **more})


def says(content: str, sequence: int, agent: str = "engineer", step: str = "fit", **more: Any) -> ScriptedAnswer:
    """A scripted answer in words."""
    return ScriptedAnswer(step=step, agent=agent, sequence=sequence, content=content, **more)


def does(
    sequence: int, tool: str, /, *, agent: str = "engineer", step: str = "fit", **arguments: Any
) -> ScriptedAnswer:
    """A scripted tool call."""
    calls = (ScriptedCall(name=tool, arguments=arguments),)
    return ScriptedAnswer(step=step, agent=agent, sequence=sequence, tool_calls=calls)


def runs(sequence: int, code: str, filename: str = "fit.py", **more: Any) -> ScriptedAnswer:
    """A scripted program."""
    return does(sequence, "run_code", filename=filename, code=code, explanation="what the test wants", **more)
