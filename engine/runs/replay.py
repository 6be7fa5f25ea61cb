"""Replay: a run that is over is run again, in a run of its own, with the answers that its journal holds. Tools really
run; what comes of them is compared with what came of them then, file by file. No model is asked anything.

Everything that the replay takes from the earlier run is fixed when it begins (see engine.model.options.Replaying), but
for the journal entries themselves, which never change.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from engine.compare.trees import Content
from engine.model.errors import StorageError, UsageError
from engine.model.frames import Permit, RecordedEntry, Replay, Retry
from engine.model.ids import new_id, short
from engine.model.options import ApprovalMode, Replaying, RunOptions
from engine.model.plan import Plan
from engine.model.records import Attempt, AttemptState, JournalEntry, Node, Run, RunView
from engine.model.states import RunState
from engine.ports import Blobs, SessionReads
from engine.runs.comparing import contents_of, last_attempts
from engine.runs.lessons import told_before
from engine.runs.plans import feedback_of
from engine.runs.world import World

_TEXTS = 4_000_000  # characters of recorded messages that a strict replay has at hand to show differences with


async def begin_replay(
    reads: SessionReads, blobs: Blobs, run_id: str, *, strict: bool, at: datetime, owner_id: str | None
) -> Run:
    """The run that will replay another one. Nothing is written yet.

    Raises:
        UsageError: the run is not over, or has nothing to replay.
        StorageError: its journal, or a file that it left, is missing or damaged.
    """
    view = await reads.view(run_id)
    run = view.run
    name = f"run {short(run.id)}"
    if not run.state.terminal:
        raise UsageError(f"{name} is {run.state.value}: only a run that is over can be replayed")
    if run.plan is None:
        raise UsageError(f"{name} carried out no plan: there is nothing to replay")
    try:
        last = {step: await _made(reads, view, step, one) for step, one in last_attempts(view).items()}
        for step, made in last.items():
            _check_journal(step, made.attempt, await reads.journal(made.attempt.id))
        told = {step: await told_before(reads, made.attempt) for step, made in last.items()}
        contents = await contents_of(reads, view, whole=True)
        await asyncio.to_thread(_check_files, contents.values(), blobs)
    except StorageError as error:
        raise StorageError(f"{name} cannot be replayed: {error.cause}", "Run `cmbagent-tui db check`.") from None
    return Run(
        new_id(),
        run.session_id,
        RunState.DRAFT,
        run.mode,
        run.task,
        _options(view, last, told, strict).to_json(),
        at,
        plan=None if "planning" in last else run.plan,
        owner_id=owner_id,
        replay_of=run.id,
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """An attempt in the run that made it."""

    view: RunView
    attempt: Attempt


async def _made(reads: SessionReads, view: RunView, step: str, attempt: Attempt) -> _Made:
    """Where an attempt was made: a branch has taken over what stands before it, without the journal.

    Raises:
        StorageError: the run that it was taken from has it no more.
    """
    while attempt.reason == "branch" and view.run.parent_run_id:
        view = await reads.view(view.run.parent_run_id)
        nodes = {node.id for node in view.nodes if node.step == step}
        found = [one for one in view.attempts if one.node_id in nodes and one.started_at == attempt.started_at]
        if not found:
            raise StorageError(f"{step} was taken over from run {short(view.run.id)}, where it is not found any more")
        attempt = found[0]
    return _Made(view, attempt)


def _options(view: RunView, last: Mapping[str, _Made], told: Mapping[str, Retry | None], strict: bool) -> RunOptions:
    run = view.run
    options = RunOptions.from_json(run.options)
    said = {step: made.attempt.feedback for step, made in last.items() if made.attempt.feedback}
    previous: Plan | None = None
    if "planning" in last:
        feedback, previous = feedback_of(last["planning"].view, last["planning"].attempt.started_at)
        if feedback:
            said["planning"] = feedback
    assert run.plan is not None
    notice = options.replay.notice if options.replay else options.notice
    replaying = Replaying(
        strict,
        {step: made.attempt.id for step, made in last.items()},
        said,
        run.plan,
        previous.model_dump(mode="json") if previous else None,
        notice,
        {step: lesson.model_dump(mode="json") for step, lesson in told.items() if lesson},
        {
            step: known
            for step, made in last.items()
            if (known := RunOptions.from_json(made.view.run.options).context_of(step))
        },
    )
    kind = "Strict replay" if strict else "Replay"
    words = (
        f"{kind} of run {short(run.id)}: the answers come from its journal, no model is asked; the tools really run."
    )
    return replace(
        options,
        approval=ApprovalMode.NONE,
        retries=0,
        notice=f"{words} {notice}" if notice else words,
        replay=replaying,
    )


def _check_journal(step: str, attempt: Attempt, entries: Sequence[JournalEntry]) -> None:
    """Raise StorageError when entries are missing or do not hold what they were written with."""
    sequences: dict[str, list[int]] = {}
    for entry in entries:
        sequences.setdefault(entry.agent, []).append(entry.sequence)
        digest = hashlib.sha256("\n".join(entry.request).encode()).hexdigest()
        if digest != entry.request_hash:
            what = f"entry {entry.sequence} of {entry.agent}"
            raise StorageError(f"the journal of {step} is damaged: {what} does not hash to its request")
    for agent, found in sequences.items():
        gap = next((number for number, sequence in enumerate(sorted(found), 1) if number != sequence), None)
        if gap is not None:
            raise StorageError(f"the journal of {step} is damaged: entry {gap} of {agent} is missing")
    answered = any(entry.kind == "model" and entry.answer is not None for entry in entries)
    if attempt.state is AttemptState.COMPLETED and not answered:
        raise StorageError(f"the journal of {step} is missing")


def _check_files(contents: Iterable[Content], blobs: Blobs) -> None:
    seen: set[str] = set()
    for one in contents:
        if one.sha256 not in seen:
            seen.add(one.sha256)
            problem = blobs.verify(one.sha256)
            if problem:
                raise StorageError(f"{one.path}, written by {one.step}, {problem}")


async def answers_for(world: World, run: Run, node: Node) -> Replay | None:
    """What the replayed attempt of this node was answered; None when the run is no replay."""
    replaying = RunOptions.from_json(run.options).replay
    if replaying is None:
        return None
    attempt_id = replaying.attempts.get(node.step)
    if attempt_id is None:
        return Replay(strict=replaying.strict)
    reads = world.store.reads(run.session_id)
    # A tool that must not run twice unasked does not run in a replay either: its recorded result is given.
    # One that a person or a rule had changed runs again as changed; one that was not made then is not made now.
    entries = [
        one
        for one in await reads.journal(attempt_id)
        if one.kind != "tool" or not one.repeatable or (one.answer and "permit" in one.answer)
    ]
    texts = await _texts(reads, entries[0].run_id, attempt_id) if replaying.strict and entries else ()
    recorded = tuple(_recorded(entry, replaying.strict) for entry in entries)
    return Replay(strict=replaying.strict, entries=recorded, texts=texts)


def feedback_before(run: Run, node: Node) -> str | None:
    """What a person said before the next attempt of a node; in a replay, what was said before the replayed one."""
    replaying = RunOptions.from_json(run.options).replay
    return replaying.feedback.get(node.step) if replaying else node.feedback


def lesson_before(run: Run, node: Node) -> Retry | None:
    """In a replay, what the replayed attempt of a node was told of those that failed before it."""
    replaying = RunOptions.from_json(run.options).replay
    lesson = replaying.told.get(node.step) if replaying else None
    return Retry.model_validate(lesson) if lesson else None


def _recorded(entry: JournalEntry, strict: bool) -> RecordedEntry:
    permit = Permit.model_validate(entry.answer["permit"]) if entry.answer and "permit" in entry.answer else None
    again = permit is not None and permit.instead is None and entry.repeatable
    return RecordedEntry(
        agent=entry.agent,
        sequence=entry.sequence,
        kind=entry.kind,  # pyright: ignore[reportArgumentType]
        request_hash=entry.request_hash,
        answer=entry.answer,
        name=entry.name,
        request=tuple(entry.request) if strict else (),
        permit=permit if again else None,
    )


async def _texts(reads: SessionReads, run_id: str, attempt_id: str) -> tuple[str, ...]:
    """What was said in an attempt (or in one that it went on from), as far as it is at hand: it only serves to show
    differences."""
    try:
        messages = await reads.messages(run_id, limit=100_000)
    except StorageError:
        return ()
    nodes = {message.node_id for message in messages if message.attempt_id == attempt_id}
    texts: dict[str, None] = {}
    room = _TEXTS
    for message in messages:
        if message.node_id in nodes and message.role != "assistant" and len(message.content) <= room:
            room -= len(message.content)
            texts[message.content] = None
    return tuple(texts)
