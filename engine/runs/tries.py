"""Tries: the next attempt of a node, or the one that lost its process and goes on from its journal.

After a failure for which the work was not to blame, the next attempt goes on from the failed one's journal, which
becomes its own.

An attempt that is still running in the rows, while no process runs it, was broken off: by a crash, a kill, or a quit.
It is the same attempt that goes on. What was answered is given again; its directory is made as it stood behind the last
tool call that reported, so that a call that had started and not reported runs again in what it first found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.model.changes import Add, Advise, Change
from engine.model.events import Event, EventKind, Phase
from engine.model.frames import Program, RecordedEntry, Replay, Retry
from engine.model.ids import new_id
from engine.model.plan import path_problem
from engine.model.records import Attempt, AttemptState, JournalEntry, Json, Node, Run, Session, TreeEntry
from engine.ports import SessionReads
from engine.runs.lessons import conversation_of, program_for, retry_events, told, told_before
from engine.runs.moves import broken_off
from engine.runs.replay import answers_for, feedback_before, lesson_before
from engine.runs.spec import work_directory
from engine.runs.world import World

_PAGE = 1000
_SPANS = (EventKind.AGENT_CALL, EventKind.MODEL_CALL, EventKind.TOOL_CALL, EventKind.CODE_EXEC, EventKind.FILE_GEN)


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt that is about to run. `opening` is written when it does, `why` says what began it.

    `files` are the changes that its tool calls have reported: path → (SHA-256, size), or None where it was deleted.
    `doubt` is what had begun, may have had its effect, and must not be begun again without asking. `replay` are the
    answers of the run that this one replays, `lesson` is what it is told of attempts that failed before it,
    `program` what its agent runs first, because a person has written it.
    """

    attempt: Attempt
    opening: tuple[Change, ...]
    why: str
    recorded: tuple[RecordedEntry, ...] = ()
    files: Mapping[str, tuple[str, int] | None] = field(default_factory=dict[str, "tuple[str, int] | None"])
    doubt: JournalEntry | None = None
    replay: Replay | None = None
    lesson: Retry | None = None
    program: Program | None = None

    def tree(self, inherited: Iterable[TreeEntry]) -> tuple[TreeEntry, ...]:
        """The directory that it starts in: what the steps before left, with what it has itself reported since."""
        tree = {entry.path: entry for entry in inherited}
        for path, content in self.files.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = TreeEntry(path, *content, self.attempt.node_id)
        return tuple(tree.values())


async def next_try(
    world: World, session: Session, run: Run, node: Node, attempts: Sequence[Attempt], reason: str = "first"
) -> Try:
    """The attempt of this node that was broken off, or a new one."""
    mine = [attempt for attempt in attempts if attempt.node_id == node.id]
    left_open = next((attempt for attempt in mine if attempt.state is AttemptState.RUNNING), None)
    replay = await answers_for(world, run, node)
    if left_open is not None:
        here = str(work_directory(session, run, node, left_open.number))
        this = await continued(world, node, replace(left_open, workdir=here))
        return replace(this, replay=replay, lesson=this.lesson or lesson_before(run, node))
    last = max(mine, key=lambda one: one.number, default=None)
    number = last.number + 1 if last else 1
    retried = node.retry_at is not None and last is not None and last.state is AttemptState.FAILED
    if retried:
        reason = "retry"
    elif reason == "first" and mine:
        reason = "redo"
    attempt = Attempt(
        new_id(),
        node.session_id,
        node.run_id,
        node.id,
        number,
        reason,
        AttemptState.RUNNING,
        world.clock.now(),
        workdir=str(work_directory(session, run, node, number)),
        feedback=feedback_before(run, node),
    )
    if retried and last:
        return await _after(world, node, last, attempt)
    program = await program_for(world.store.reads(session.id), attempt)
    return Try(attempt, (Add(attempt),), reason, replay=replay, lesson=lesson_before(run, node), program=program)


async def _after(world: World, node: Node, failed: Attempt, attempt: Attempt) -> Try:
    """A new attempt because the engine decided on one when the last failed: anew with what was learnt, or from where
    that one stood."""
    reads = world.store.reads(node.session_id)
    event = (await retry_events(reads, attempt)).get(attempt.number)
    begun = Advise(node.session_id, node.id, node.feedback)
    if event is not None and "by" in event.data:
        attempt = replace(attempt, reason="feedback")  # the engine's own retries count from here
    if event is None or not event.data["continues"]:
        return Try(attempt, (Add(attempt), begun), attempt.reason, lesson=told(event))
    attempt = replace(attempt, feedback=failed.feedback)  # else it would not make the requests that were answered
    known = await _known(world, node, failed)
    journal = [Add(replace(one, attempt_id=attempt.id)) for one in known.entries if one.answer is not None]
    return Try(
        attempt,
        (Add(attempt), begun, *journal, *(_unknown(world, node, attempt, one) for one in known.unanswered)),
        f"retry from the journal of attempt {failed.number}: {len(journal)} answers are known",
        tuple(_recorded(entry) for entry in known.entries if entry.answer is not None),
        known.left.files,
        known.doubt,
        lesson=told(event),
    )


async def continued(world: World, node: Node, attempt: Attempt) -> Try:
    """An attempt that was broken off, with all that is known of it."""
    known = await _known(world, node, attempt)
    opening = [_unknown(world, node, attempt, entry) for entry in known.unanswered]
    opening += [Add(broken_off(start, world.clock.now())) for start in known.left.open.values()]
    return Try(
        attempt,
        tuple(opening),
        f"continued from its journal: {len(known.entries) - len(known.unanswered)} answers are known",
        tuple(_recorded(entry) for entry in known.entries),
        known.left.files,
        known.doubt,
        lesson=await told_before(world.store.reads(node.session_id), attempt),
        program=await program_for(world.store.reads(node.session_id), attempt),
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """An attempt's journal, and what its events tell."""

    entries: list[JournalEntry]
    left: _Left

    @property
    def unanswered(self) -> list[JournalEntry]:
        return [entry for entry in self.entries if entry.answer is None]

    @property
    def doubt(self) -> JournalEntry | None:
        return next((entry for entry in self.unanswered if not entry.repeatable), None)


async def _known(world: World, node: Node, attempt: Attempt) -> _Known:
    reads = world.store.reads(node.session_id)
    entries = await reads.journal(attempt.id)
    answered = {attempt.id: _answered(entries)}
    for earlier in (await conversation_of(reads, attempt))[1:]:
        answered[earlier] = _answered(await reads.journal(earlier))
    return _Known(entries, await _left_behind(reads, attempt, answered))


def _answered(entries: Iterable[JournalEntry]) -> set[tuple[str, int]]:
    return {(entry.agent, entry.sequence) for entry in entries if entry.answer is not None}


def _recorded(entry: JournalEntry) -> RecordedEntry:
    return RecordedEntry(
        agent=entry.agent,
        sequence=entry.sequence,
        kind=entry.kind,  # pyright: ignore[reportArgumentType]
        request_hash=entry.request_hash,
        answer=entry.answer,
        name=entry.name,
    )


@dataclass(slots=True)
class _Left:
    """What the events of an attempt tell, and of those that it goes on from: the last word of reported tool calls on
    each path, and what it began and did not end, by event id."""

    files: dict[str, tuple[str, int] | None] = field(default_factory=dict[str, "tuple[str, int] | None"])
    open: dict[str, Event] = field(default_factory=dict[str, Event])


async def _left_behind(reads: SessionReads, attempt: Attempt, answered: Mapping[str, set[tuple[str, int]]]) -> _Left:
    """`answered` are the tool calls that have an answer, by attempt."""
    parents: dict[str, str | None] = {}
    reported: set[str] = set()
    left = _Left()
    after = 0
    while page := await reads.events(attempt.run_id, after=after, limit=_PAGE, node_id=attempt.node_id, kinds=_SPANS):
        after = page[-1].seq
        for event in page:
            if event.attempt_id is None or event.attempt_id not in answered:
                continue
            if event.phase is Phase.START and event.attempt_id == attempt.id:
                left.open[event.id] = event
            elif event.phase is Phase.END and event.span_id:
                left.open.pop(event.span_id, None)
            parents[event.id] = event.parent_event_id
            call = (event.agent or "", event.data.get("sequence"))
            if event.kind is EventKind.TOOL_CALL and call in answered[event.attempt_id]:
                reported.add(event.id)
            if event.kind is EventKind.FILE_GEN and _within(event.parent_event_id, parents, reported):
                _note(event, left.files)
    return left


def _within(event_id: str | None, parents: Mapping[str, str | None], reported: set[str]) -> bool:
    while event_id is not None and event_id not in reported:
        event_id = parents.get(event_id)
    return event_id is not None


def _note(event: Event, files: dict[str, tuple[str, int] | None]) -> None:
    path = str(event.data["path"])
    if path_problem(path) is None:
        deleted = event.data.get("sha256") is None
        files[path] = None if deleted else (str(event.data["sha256"]), int(event.data["size"]))


def _unknown(world: World, node: Node, attempt: Attempt, entry: JournalEntry) -> Change:
    data: Json = {"category": "outcome_unknown", "attempt": attempt.number, "tool": entry.name}
    event = Event(
        new_id(),
        node.session_id,
        node.run_id,
        EventKind.RETRY,
        world.clock.now(),
        node_id=node.id,
        attempt_id=attempt.id,
        agent=entry.agent,
        title=f"{entry.name} had started and its outcome is unknown: it runs again in the directory that it found",
        data=data,
    )
    return Add(event)
