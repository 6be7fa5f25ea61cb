"""One attempt, from intent to result: prepare the directory, start a worker, record what it reports.

Two commits frame it. The first says that the attempt is about to run, the second what came of it; the driver writes the
second, together with everything that follows from it.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.model.changes import Add, Change
from engine.model.environment import private_directory
from engine.model.errors import CockpitError, UsageError, WorkerError
from engine.model.events import EventKind
from engine.model.frames import Ack, Failure, Hello, JournalFrame, Permit, ResultFrame, WorkerSpec
from engine.model.plan import path_problem
from engine.model.records import Attempt, CheckResult, Json, Node, TreeEntry
from engine.model.states import StepState
from engine.model.text import clean
from engine.ports import Blobs, WorkerHandle
from engine.runs.budget import Budget
from engine.runs.calls import Calls
from engine.runs.control import Control, Held
from engine.runs.moves import engine, move_node
from engine.runs.recorder import Recorder, keep_file
from engine.runs.spec import work_directories
from engine.runs.tries import Try, continued
from engine.runs.workdir import prepare
from engine.runs.world import World

_REAP = 5.0  # seconds that a worker may take to go after its result was acknowledged
_HASTE = 0.5  # seconds that a worker which is stopped may take to go by itself
_LIVES = 3  # processes that one attempt may use up through no fault of its own
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_SLACK = 30.0  # seconds that a worker has, past its own time-out, to say so itself


@dataclass(slots=True)
class Ended:
    """How an attempt ended. Nothing of the result is written yet: the driver does that, then calls `acknowledge`."""

    node: Node
    attempt: Attempt
    recorder: Recorder
    result: ResultFrame | None = None
    failure: Failure | None = None
    handle: WorkerHandle | None = None
    background: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def ok(self) -> bool:
        """Whether the worker did what it was asked to, and said so."""
        return self.result is not None and self.result.ok and self.failure is None

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """What the declared checks said."""
        checks = self.result.checks if self.result else ()
        return tuple(CheckResult(clean(one.name), one.ok, clean(one.detail), clean(one.waived)) for one in checks)

    async def acknowledge(self) -> None:
        """Let the worker go, now that its result is durable, and see to it that it goes."""
        if self.handle and self.result:
            with suppress(WorkerError, OSError):
                await self.handle.send(Ack(n=self.result.n))
        if self.handle:
            done = Path(self.attempt.workdir) if self.ok and self.attempt.workdir else None
            task = asyncio.create_task(_reap(self.handle, done))
            self.background.add(task)
            task.add_done_callback(self.background.discard)


async def carry_out(
    world: World,
    node: Node,
    this: Try,
    make_spec: Callable[[], WorkerSpec],
    inherited: Iterable[TreeEntry],
    *,
    noted: Iterable[Change] = (),
    budget: Budget,
    control: Control,
    permit: Callable[[JournalFrame], Awaitable[Permit | None]],
    background: set[asyncio.Task[None]],
) -> Ended | None:
    """Run one attempt of a node to its end. Every failure of the worker becomes a Failure, none is raised.

    None: the run is being paused or its budget asked about, and the attempt was left where it can go on from its
    journal.

    `noted` is written with the intent. What the spec needs and lacks (a model, a journal) fails the attempt.

    Raises:
        StaleState: the node is not pending any more: nothing was started.
        StorageError: what happened could not be written; the worker has been stopped.
        Asked: a person has to be asked before the attempt can go on; the worker has been stopped.
        asyncio.CancelledError: the caller stopped it; the worker and all it started are gone.
    """
    attempt = this.attempt
    node, moved = move_node(node, StepState.RUNNING, engine(this.why), world.clock.now(), attempt=attempt.number)
    calls = Calls(budget, world.prices, world.clock, attempt)
    recorder = Recorder(
        world.store, world.blobs, world.clock, node, attempt, world.publish, calls, control.hold_point, permit,
    )  # fmt: skip
    ended = Ended(node, attempt, recorder, background=background)
    await recorder.commit(*this.opening, *moved, *noted)
    try:
        try:
            for _ in range(_LIVES):
                spec = make_spec()
                known = {"recorded": this.recorded, "replay": this.replay or spec.replay}
                known |= {"retry": this.lesson, "program": this.program}
                spec = spec.model_copy(update=known)
                tree = this.tree(inherited)
                await prepare(Path(spec.workdir), tree, world.blobs)
                ended.handle = await world.launcher.start(spec)
                async with asyncio.timeout(spec.limits.attempt_timeout + _SLACK):
                    ended.result = await _listen(ended.handle, recorder)
                if ended.result is not None:
                    break
                this = replace(await _taken_up_again(world, ended), replay=this.replay, lesson=this.lesson)
            else:
                raise WorkerError(f"the worker's process was lost {_LIVES} times", "Look at the machine's own log.")
            unstored = _unstored(ended.result, tree)
            if unstored:
                await asyncio.to_thread(_keep_files, unstored, Path(spec.workdir), world.blobs)
            ended.failure = None if ended.result.ok else ended.result.failure or _UNSAID
        except TimeoutError:
            ended.failure = Failure(
                category="attempt_timeout",
                message="the attempt did not end within its time",
                hint="Raise attempt_timeout, or split the step.",
            )
        except UsageError as error:
            ended.failure = Failure(category="settings", message=error.cause, hint=error.hint)
        except WorkerError as error:
            category = "disk" if _of_the_disk(error) else "worker"
            ended.failure = Failure(category=category, message=error.cause, hint=error.hint)
        except OSError as error:
            ended.failure = Failure(
                category="disk",
                message=f"{error.filename or attempt.workdir}: {error.strerror or error}",
                hint="Check the disk that the sessions' directory is on, then start the run again.",
            )
        recorder.keep_files()
        recorder.break_off()
        try:
            await recorder.settle()
        except WorkerError as error:
            ended.failure = Failure(category="worker", message=error.cause, hint=error.hint)
    except Held:
        await _let_go(ended)
        return None
    except BaseException:
        await asyncio.shield(_let_go(ended))
        raise
    if ended.result is None and ended.handle:
        await ended.handle.stop()
    return ended


def _of_the_disk(error: BaseException | None) -> bool:
    """Whether it was the disk that refused: to try again would only fill it more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            return True
        error = error.__cause__
    return False


async def _let_go(ended: Ended) -> None:
    """End the worker before it has ended by itself, and keep what it had said."""
    if ended.handle:
        await ended.handle.stop(_HASTE)
    ended.recorder.break_off()
    with suppress(CockpitError):
        await ended.recorder.flush()


_UNSAID = Failure(category="unknown", message="the worker reported a failure without saying which")


async def _taken_up_again(world: World, ended: Ended) -> Try:
    """The process that starts workers is gone and took this one along: the attempt goes on from its journal."""
    ended.recorder.forget()
    await ended.recorder.flush()
    this = await continued(world, ended.node, ended.attempt)
    data: Json = {"category": "worker_lost", "attempt": ended.attempt.number}
    event = ended.recorder.event(EventKind.RETRY, f"the worker's process was lost: {this.why}", data)
    await ended.recorder.commit(Add(event), *this.opening)
    return this


async def _listen(handle: WorkerHandle, recorder: Recorder) -> ResultFrame | None:
    """Record what a worker says; give its result, or None when it went with the process that had started it.

    Raises:
        WorkerError: it ended by itself, without a result.
    """
    async for frame in handle.frames():
        match frame:
            case ResultFrame():
                return frame
            case Hello():
                pass
            case _:
                await recorder.take(frame, handle)
    gone = await handle.wait()
    if gone.code is None and gone.signal is None:
        return None
    how = f"was ended by {gone.signal}" if gone.signal else f"exited with code {gone.code}"
    last = clean(gone.stray).strip().splitlines()[-1:] or ["It printed nothing."]
    raise WorkerError(f"the worker {how} without a result", f"Its last words: {last[0]}")


def _unstored(result: ResultFrame, tree: Iterable[TreeEntry]) -> dict[str, str]:
    """The files of a result, path → SHA-256, that it did not start with."""
    known = {entry.sha256 for entry in tree}
    return {path: sha256 for path, (sha256, _) in result.tree.items() if sha256 not in known}


def _keep_files(files: Mapping[str, str], workdir: Path, blobs: Blobs) -> None:
    """Store what came by no tool call, and refuse a path that leads outside."""
    for path, sha256 in files.items():
        problem = path_problem(path)
        if problem:
            raise WorkerError(f"the worker reported a file that cannot be: {problem}")
        if not blobs.has(sha256):
            keep_file(blobs, workdir, path, sha256)


async def _reap(handle: WorkerHandle, done: Path | None) -> None:
    """See that a worker goes. The directory of one that is done goes too: what was in it is stored."""
    try:
        async with asyncio.timeout(_REAP):
            await handle.wait()
    except TimeoutError:
        await handle.stop()
    if done is not None:
        await asyncio.to_thread(_clear, done)


def _clear(done: Path) -> None:
    for one in work_directories(done):
        for directory in (one, private_directory(one)):
            shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError):  # other attempts of the step are kept
        done.parent.rmdir()
