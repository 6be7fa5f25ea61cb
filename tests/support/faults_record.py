"""What is stored of a run, read through the port; and what can be said about it: that it holds what was acknowledged,
that it could have come about, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import storage
from engine.model.changes import Add, Change, EndAttempt, Move, SetPlan, SettleApproval
from engine.model.events import Event, Phase
from engine.model.records import (
    Approval,
    Artifact,
    Attempt,
    Checkpoint,
    Cost,
    Edge,
    JournalEntry,
    Message,
    Node,
    NodeKind,
    Run,
    RunView,
    StateChange,
)
from engine.model.states import Actor, StepState


@dataclass(frozen=True)
class Record:
    """One run, whole."""

    home: Path
    view: RunView
    events: tuple[Event, ...]
    messages: tuple[Message, ...]
    costs: tuple[Cost, ...]
    history: tuple[StateChange, ...]
    journal: tuple[JournalEntry, ...]
    checkpoints: tuple[Checkpoint, ...]  # the newest of each node

    @property
    def steps(self) -> Mapping[str, Node]:
        """Its nodes by step."""
        return {node.step: node for node in self.view.nodes}

    def attempts(self, step: str) -> list[Attempt]:
        """The attempts of a step, in order."""
        return [one for one in self.view.attempts if one.node_id == self.steps[step].id]


async def read(home: Path, run_id: str) -> Record:
    """Read a run."""
    store, _ = storage.open_store(home)
    await store.open()
    try:
        ((_, session_id),) = await store.find("runs", run_id)
        reads = store.reads(session_id)
        view = await reads.view(run_id)
        return Record(
            home,
            view,
            tuple(await reads.events(run_id, limit=1_000_000)),
            tuple(await reads.messages(run_id, limit=1_000_000)),
            tuple(await reads.costs(run_id)),
            tuple(await reads.history(run_id)),
            tuple([entry for attempt in view.attempts for entry in await reads.journal(attempt.id)]),
            tuple([one for node in view.nodes if (one := await reads.checkpoint(node.id))]),
        )
    finally:
        await store.close()


def differences(record: Record, stored: Iterable[Change], heard: Iterable[Event]) -> list[str]:
    """What was acknowledged or announced, and is not stored as it was."""
    known = _by_key(record)
    journal: dict[Any, JournalEntry] = {}
    missing = [f"{event.title!r} was announced as {event.seq}" for event in heard if known.get(event.id) != event]
    for change in stored:
        match change:
            case Add(record=JournalEntry() as entry):
                journal[_key(entry)] = entry  # an intent, and then its answer
            case Add(record=Checkpoint()) if change.record.id not in known and _redone(record, change.record):
                pass  # one that a newer has taken the place of
            case Add(record=one) if (key := _key(one)) is not None:
                found = known.get(key)
                if found is None or _steady(found) != _steady(one):
                    missing.append(f"{one} was acknowledged, and is stored as {found}")
            case Move(change=move):
                if move not in record.history:
                    missing.append(f"{move} was acknowledged, and is not in the history")
            case EndAttempt():
                found = known.get(change.attempt_id)
                if not isinstance(found, Attempt) or (found.state, found.summary) != (change.state, change.summary):
                    missing.append(f"{change} was acknowledged, and is stored as {found}")
            case SettleApproval():
                found = known.get(change.approval_id)
                if not isinstance(found, Approval) or (found.state, found.resolved_by) != (change.state, change.by):
                    missing.append(f"{change} was acknowledged, and is stored as {found}")
            case SetPlan():
                if record.view.run.plan != change.plan:
                    missing.append("the plan that was acknowledged is not the run's")
            case _:
                pass
    for key, entry in journal.items():
        found = known.get(key)
        if found != entry and not (found and entry.answer is None):
            missing.append(f"{entry} was acknowledged, and is stored as {found}")
    return missing


def illegal(record: Record) -> list[str]:
    """What cannot have come about: a step that ran again once it was completed, or before those it waits for; an event
    that hangs under nothing; an answer that was recorded twice. The check of the database looks at the rest."""
    found: list[str] = []
    waits: dict[str, set[str]] = {node.id: set() for node in record.view.nodes}
    names = {node.id: node.step for node in record.view.nodes}
    for edge in record.view.edges:
        waits[edge.to_node] |= {edge.from_node} - redos(record)  # which come in between later
    done: set[str] = set()
    for move in record.history:
        if move.entity != "node":
            continue
        if move.after == StepState.RUNNING:
            if move.entity_id in done:
                found.append(f"{names[move.entity_id]} ran again although it was completed")
            found += [f"{names[move.entity_id]} ran before {names[one]}" for one in waits[move.entity_id] - done]
        if move.after == StepState.COMPLETED:
            done.add(move.entity_id)
        elif move.after == StepState.PENDING and move.actor is Actor.PERSON:  # who has it done again
            done.discard(move.entity_id)
    seen: set[str] = set()
    ended: set[str] = set()
    for event in record.events:
        if event.parent_event_id is not None and event.parent_event_id not in seen:
            found.append(f"{event.title!r} hangs under nothing")
        if event.phase is Phase.END and (event.span_id not in seen or event.span_id in ended):
            found.append(f"{event.title!r} ends what was not begun, or had ended")
        seen.add(event.id)
        ended.add(event.span_id or "")
    if record.view.run.state.terminal:
        begun = {event.id: event for event in record.events if event.phase is Phase.START}
        found += [f"{begun[one].title!r} has begun and not ended" for one in begun.keys() - ended]
    numbers = Counter((attempt.node_id, attempt.number) for attempt in record.view.attempts)
    found += [f"{names[node]} has two attempts {number}" for (node, number), count in numbers.items() if count > 1]
    return found


def outcome(record: Record) -> dict[str, Any]:
    """What came of a run: all that must be the same however often it was disturbed, by a person who had steps done
    again too; the marks that a redo leaves in the DAG are not."""
    marks = redos(record)
    names = {node.id: node.step for node in record.view.nodes}
    trees = {names[one.node_id]: {entry.path: entry.sha256 for entry in one.tree} for one in record.checkpoints}
    return {
        "run": (record.view.run.state, record.view.run.error, record.view.run.plan),
        "nodes": {node.step: (node.kind, node.state, node.error) for node in record.view.nodes if node.id not in marks},
        "edges": sorted(
            (names[one.from_node], names[one.to_node], one.kind)
            for one in record.view.edges
            if not {one.from_node, one.to_node} & marks
        ),
        "attempts": sorted((names[one.node_id], one.number, one.state, one.summary) for one in record.view.attempts),
        "artifacts": sorted((names[one.node_id], one.path, one.sha256, one.kind) for one in record.view.artifacts),
        "answers": sorted(
            (names[attempt.node_id], entry.agent, entry.sequence, entry.kind, entry.answer is not None)
            for entry in record.journal
            for attempt in record.view.attempts
            if attempt.id == entry.attempt_id
        ),
        "trees": trees,
        "directory": _directory(record),
    }


def redos(record: Record) -> set[str]:
    """The nodes that tell of redos."""
    return {node.id for node in record.view.nodes if node.kind is NodeKind.BRANCH_POINT}


def changed(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Where two outcomes differ, in words."""
    return [line for what in expected for line in _changed(what, found[what], expected[what])]


def _changed(what: str, found: Any, expected: Any) -> list[str]:
    if found == expected:
        return []
    if isinstance(expected, dict):
        return [
            line
            for key in sorted(found.keys() | expected.keys())
            for line in _changed(f"{what} {key}", found.get(key), expected.get(key))
        ]
    if isinstance(expected, list):
        more, fewer = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
        return [f"{what}: one more {one}" for one in more] + [f"{what}: one less {one}" for one in fewer]
    return [f"{what} is {found!r}, not {expected!r}"]


def _directory(record: Record) -> dict[str, bytes]:
    """What a person finds in the run's directory, but for times."""
    (root,) = Path(record.view.session.directory).iterdir()
    kept = [one for folder in ("control", "context") for one in sorted((root / folder).rglob("*")) if one.is_file()]
    return {
        one.relative_to(root).as_posix(): one.read_bytes()
        for one in kept
        if not {"chats", "cost", "time"} & set(one.relative_to(root).parts)
    }


def _redone(record: Record, checkpoint: Checkpoint) -> bool:
    return any(one.node_id == checkpoint.node_id and one.id > checkpoint.id for one in record.checkpoints)


def _by_key(record: Record) -> dict[Any, Any]:
    view = record.view
    several: Sequence[Iterable[Any]] = (
        [view.session, view.run],
        *(view.nodes, view.edges, view.attempts, view.artifacts, view.approvals),
        *(record.events, record.messages, record.costs, record.journal, record.checkpoints),
    )
    return {_key(one): one for records in several for one in records}


def _key(record: Any) -> Any:
    """What a record is found by; None for what is not kept (clients, commands)."""
    match record:
        case Edge():
            return record.from_node, record.to_node
        case JournalEntry():
            return record.attempt_id, record.agent, record.sequence
        case Event() | Message() | Artifact() | Checkpoint() | Cost() | Approval() | Node() | Run() | Attempt():
            return record.id
        case _:
            return None


def _steady(record: Any) -> Any:
    """A record without what may have changed since it was added."""
    match record:
        case Event():
            return replace(record, seq=0)
        case Run():
            return record.id, record.session_id, record.mode, record.task, record.options, record.created_at
        case Node():
            return record.id, record.run_id, record.step, record.kind, record.title, record.position
        case Attempt():
            return record.id, record.node_id, record.number, record.reason, record.started_at, record.workdir
        case Approval():
            return record.id, record.run_id, record.kind, record.title, record.shown, record.created_at
        case _:
            return record


def broken(record: Record) -> Counter[str]:
    """How often each step was broken off in the middle: with its engine, or with the process that starts workers."""
    names = {node.id: node.step for node in record.view.nodes}
    put_back = [(move.before, move.after) == ("running", "pending") for move in record.history]
    found = Counter(names[move.entity_id] for move, one in zip(record.history, put_back, strict=True) if one)
    lost = (one for one in record.events if one.data.get("category") == "worker_lost")
    return found + Counter(names[event.node_id or ""] for event in lost)
