"""The recorder: turns the frames of one attempt into durable records, in order, and acknowledges what was promised.

Small events gather for at most 50 ms, or until something has to be acknowledged: they are then written in the same
transaction, before it. Files are acknowledged once their content is stored; their records are written with the answer
of the call that wrote them, so that a call which is made again after a crash leaves no file twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

from engine.model.changes import Add, Change
from engine.model.errors import CockpitError, Fenced, StorageError, WorkerError
from engine.model.events import Delta, Event, EventKind, Phase
from engine.model.frames import (
    Ack,
    CallFrame,
    DeltaFrame,
    EventFrame,
    FileChange,
    FilesFrame,
    JournalFrame,
    MessageFrame,
    Permit,
    UsageFrame,
)
from engine.model.ids import new_id
from engine.model.plan import path_problem
from engine.model.records import Artifact, Attempt, Cost, JournalEntry, Json, Message, Node
from engine.model.text import clean, one_line
from engine.ports import Blobs, Clock, RunStore, WorkerHandle
from engine.runs.calls import Calls, cost_event
from engine.runs.hearing import Hearing, Said
from engine.runs.moves import broken_off

_GATHER = 0.05  # seconds that small events may wait for company
_MANY = 500


class Recorder:
    """Writes what one attempt reports."""

    def __init__(
        self,
        store: RunStore,
        blobs: Blobs,
        clock: Clock,
        node: Node,
        attempt: Attempt,
        publish: Callable[[Sequence[Event | Delta]], None],
        calls: Calls,
        hold_point: Callable[[], None],
        permit: Callable[[JournalFrame], Awaitable[Permit | None]],
    ) -> None:
        self._store, self._blobs, self._clock = store, blobs, clock
        self._node, self._attempt = node, attempt
        self._publish, self._calls, self._hold_point = publish, calls, hold_point
        self._permit = permit
        self._gathered: list[Change] = []
        self._written_files: list[Change] = []
        self._open: dict[str, Event] = {}  # what has begun and not ended, by event id
        self._hearing = Hearing()
        self._due: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._failure: CockpitError | None = None

    async def take(self, frame: DeltaFrame | Said, to: WorkerHandle) -> None:
        """Record one frame.

        Raises:
            StorageError: an earlier or this write failed; the attempt cannot go on.
            WorkerError: the frame says something that cannot be.
            Asked: a person has to be asked before what it announces may begin.
            Held: the run is being paused, or its budget is reached. What was answered is durable, what was to begin has
                not begun.
        """
        if self._failure:
            raise self._failure
        if isinstance(frame, DeltaFrame):
            self._publish([Delta(self._node.run_id, self._node.id, frame.event, clean(frame.text))])
            return
        said = self._hearing.judge(frame)
        permit: Permit | None = None
        match said:
            case EventFrame():
                event = self._event_of(said)
                self._gather(Add(event))
                if event.phase is Phase.START:
                    self._open[event.id] = event
                else:
                    self._open.pop(event.span_id or "", None)
            case MessageFrame():
                self._gather(*self._message(said))
            case UsageFrame():
                self._gather(*self._cost(self._calls.used(said)))
            case CallFrame():
                self._gather(*self._cost(*await self._calls.begin(said)))
                await self._write()  # whatever happens now, the rows tell that it was begun
                await to.send(Ack(n=said.n))
            case JournalFrame():
                if said.answer is None:
                    self._hold_point()
                    permit = await self._permit(said)
                    if permit and permit.instead is not None:
                        await to.send(Ack(n=said.n, permit=permit))  # nothing begins: there is nothing to write down
                        return
                elif said.kind == "tool":
                    self.keep_files()
                await self._write(Add(self._entry(said)))
                self._hold_point()
                await to.send(Ack(n=said.n, permit=permit))
            case FilesFrame():
                self._written_files += await self._files(said)
                await to.send(Ack(n=said.n))

    def keep_files(self) -> None:
        """What wrote the latest files has an answer: they are written with the next commit."""
        self._gathered += self._written_files
        self._written_files.clear()
        if self._due:
            self._due.cancel()
            self._due = None

    def break_off(self) -> None:
        """The worker says no more: what it had begun has ended, by the next commit."""
        self._gathered += self._cost(*self._calls.end())
        self._gathered += [Add(broken_off(start, self._clock.now())) for start in self._open.values()]
        self._open.clear()

    def forget(self) -> None:
        """The attempt is taken up again from what is stored."""
        self._gathered += self._cost(*self._calls.end())
        self._written_files.clear()
        self._open.clear()
        self._hearing = Hearing()

    async def commit(self, *changes: Change) -> None:
        """Write changes now, after everything that was gathered before them."""
        if self._due:
            self._due.cancel()
            self._due = None
        gathered, self._gathered = self._gathered, []
        if gathered or changes:
            try:
                await self._store.commit(*gathered, *changes)
            except (Fenced, StorageError):
                self._let_go()  # what begins in these is not stored, so it has no end to be stored either
                raise

    def _let_go(self) -> None:
        for rest in (self._gathered, self._written_files, self._open):
            rest.clear()

    async def _write(self, *changes: Change) -> None:
        """Write what a worker has said. When it cannot be, nothing more of what it said is believed.

        Raises:
            WorkerError: a record of these cannot be.
        """
        try:
            await self.commit(*changes)
        except (Fenced, StorageError):
            raise
        except Exception as error:
            self._let_go()
            cause = one_line(error.cause if isinstance(error, CockpitError) else str(error), 200)
            raise WorkerError(f"what the worker reported cannot be stored: {cause}") from error

    async def flush(self) -> None:
        """Write what is gathered and wait until all of it is durable."""
        await self.commit()
        await self.settle()

    async def settle(self) -> None:
        """Wait until what is being written is durable. What is still gathered goes with the next commit."""
        if self._writing:
            await asyncio.gather(*self._writing)
        if self._failure:
            raise self._failure

    def event(
        self, kind: EventKind, title: str, data: Json, *, parent: str | None = None, agent: str | None = None
    ) -> Event:
        """An event of this attempt that the engine itself has to report."""
        node = self._node
        return Event(
            new_id(),
            node.session_id,
            node.run_id,
            kind,
            self._clock.now(),
            node_id=node.id,
            attempt_id=self._attempt.id,
            parent_event_id=parent,
            agent=agent,
            title=title,
            data=data,
        )

    def _gather(self, *changes: Change) -> None:
        self._gathered += changes
        if len(self._gathered) >= _MANY:
            self._write_gathered()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(_GATHER, self._write_gathered)

    def _write_gathered(self) -> None:
        self._due = None
        task = asyncio.create_task(self._write())
        self._writing.add(task)
        task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not self._failure:
            self._failure = error if isinstance(error, CockpitError) else StorageError(f"a write failed: {error}")

    def _event_of(self, frame: EventFrame) -> Event:
        try:
            kind = EventKind(frame.kind)
        except ValueError:
            raise WorkerError(f"the worker reported an unknown kind of event, {one_line(frame.kind, 40)!r}") from None
        node = self._node
        return Event(
            frame.id,
            node.session_id,
            node.run_id,
            kind,
            frame.at,
            phase=Phase(frame.phase),
            node_id=node.id,
            attempt_id=self._attempt.id,
            parent_event_id=frame.parent,
            span_id=frame.span,
            agent=frame.agent,
            title=one_line(frame.title),
            data=safe(frame.data),
        )

    def _message(self, frame: MessageFrame) -> tuple[Change, ...]:
        node = self._node
        content = clean(frame.content)
        message = Message(
            new_id(),
            node.session_id,
            node.run_id,
            node.id,
            self._attempt.id,
            frame.event,
            frame.at,
            frame.sender,
            frame.role,
            content,
        )
        data: Json = {"message": message.id, "sender": frame.sender, "role": frame.role, "characters": len(content)}
        title = f"{frame.role}: {one_line(content, 120)}"
        return Add(message), Add(self.event(EventKind.MESSAGE, title, data, parent=frame.event, agent=frame.sender))

    def _cost(self, *costs: Cost) -> list[Change]:
        return [change for cost in costs for change in (Add(cost), Add(cost_event(cost)))]

    def _entry(self, frame: JournalFrame) -> JournalEntry:
        node = self._node
        return JournalEntry(
            node.session_id,
            node.run_id,
            self._attempt.id,
            frame.agent,
            frame.sequence,
            frame.kind,
            frame.request_hash,
            frame.request,
            frame.answer,
            frame.at,
            frame.name,
            frame.repeatable,
        )

    async def _files(self, frame: FilesFrame) -> list[Change]:
        changes: list[Change] = []
        for change in frame.changes:
            problem = path_problem(change.path)
            if problem:
                raise WorkerError(f"the worker reported a file that cannot be: {problem}")
            changes += await self._file(change, frame)
        return changes

    async def _file(self, change: FileChange, frame: FilesFrame) -> list[Change]:
        kind = one_line(change.kind, 20)
        data: Json = {"path": clean(change.path), "change": change.change, "kind": kind}
        title = f"{change.change} {one_line(change.path)}"
        if change.sha256 is None:
            return [Add(self.event(EventKind.FILE_GEN, title, data, parent=frame.event, agent=frame.agent))]
        root = Path(self._attempt.workdir or "")
        sha256, size = await asyncio.to_thread(keep_file, self._blobs, root, change.path, change.sha256)
        node = self._node
        artifact = Artifact(
            new_id(),
            node.session_id,
            node.run_id,
            node.id,
            self._attempt.id,
            frame.event,
            self._clock.now(),
            frame.agent,
            change.path,
            sha256,
            size,
            kind,
        )
        data |= {"artifact": artifact.id, "sha256": sha256, "size": size}
        event = self.event(EventKind.FILE_GEN, title, data, parent=frame.event, agent=frame.agent)
        return [Add(artifact), Add(event)]


def keep_file(blobs: Blobs, root: Path, path: str, sha256: str) -> tuple[str, int]:
    """Store a file that a worker reported, a link within `root` followed; one that cannot be read as it was reported is
    the attempt's failure."""
    try:
        source = (root / path).resolve(strict=True)
        if not source.is_relative_to(root.resolve()):
            raise WorkerError(f"the worker reported a file that lies outside the step's directory: {one_line(path)}")
        return blobs.put_file(source, sha256)
    except (OSError, RuntimeError) as error:
        raise WorkerError(f"cannot store {one_line(path)}: {getattr(error, 'strerror', None) or error}") from error
    except StorageError as error:
        raise WorkerError(error.cause, error.hint) from error


def safe(value: Json) -> Json:
    """Plain data with every text in it cleaned: a worker's word is hostile, whatever the worker says it did."""
    return {clean(key): _safe(item) for key, item in value.items()}


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return safe({str(key): item for key, item in cast(dict[Any, Any], value).items()})
    if isinstance(value, list | tuple):
        return [_safe(item) for item in cast(list[Any], value)]
    return value
