"""Judging a session that came in an archive, record by record: whether this program could have written it.

What its records say of files and directories is what later is written to the disk: it must stay inside. What is wrong
is refused, not mended.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from engine.model.errors import CockpitError, PlanInvalid
from engine.model.events import Event, EventKind
from engine.model.options import InputFile, RunOptions
from engine.model.plan import Plan, path_problem
from engine.model.records import (
    Approval,
    ApprovalState,
    Artifact,
    Attempt,
    AttemptState,
    Checkpoint,
    EdgeKind,
    Json,
    Node,
    NodeKind,
    Run,
    Session,
    session_folder,
)
from engine.model.states import RunState, StepState
from engine.model.text import one_line
from storage import sqlite
from storage.archive.form import CARRIED, Refused, identity
from storage.archive.shapes import check_of, wrong_field
from storage.archive.texts import records
from storage.blobs import FileBlobs
from storage.codec import SESSION
from storage.location import Location
from storage.references import mentions


def judge(place: Location, sessions: Path) -> set[str]:
    """Look a staged session over and settle it: its texts are made safe, nobody owns it, what it asks waits for a
    person, and its directory is a new one among `sessions`. Return the SHA-256 of every blob that it refers to.

    Raises:
        Refused: this program could not have written it.
    """
    blobs = FileBlobs(place.blobs)
    with contextlib.closing(sqlite.connect(place.database)) as connection, sqlite.explained(place.database):
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for codec in CARRIED:
            for record in records(connection, codec, blobs):
                for problem in _problems(record, blobs):
                    what = f"{type(record).__name__} {getattr(record, 'id', '')}".rstrip()
                    raise Refused(f"{what}: {one_line(problem, 300)}.")
        needed = {sha256 for mention in mentions(connection) for sha256, _ in mention.names(blobs)}
        (session,) = records(connection, SESSION, blobs)
        _settle(connection, _free(sessions, session))
        connection.execute("COMMIT")
    return needed


def _settle(connection: sqlite3.Connection, directory: Path) -> None:
    connection.execute("UPDATE runs SET owner_id = NULL, lease = 0")
    # Whoever has the app open settles what is overdue, by a rule that nobody here has agreed to.
    connection.execute("UPDATE approvals SET deadline_at = NULL, on_expiry = NULL WHERE state = 'pending'")
    connection.execute("UPDATE sessions SET directory = ?, deleted_at = NULL", [str(directory)])
    connection.execute("UPDATE attempts SET workdir = ? || '/' || workdir", [str(directory)])


def _free(sessions: Path, session: Session) -> Path:
    """A directory that is not there yet."""
    name = session_folder(session.id, session.title, session.created_at)
    tried = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(sessions / one for one in tried if not (sessions / one).exists())


def _problems(record: Any, blobs: FileBlobs) -> Iterator[str]:
    """What is wrong with a record, each a few words."""
    wrong = wrong_field(record)
    if wrong:
        yield f"its {wrong} is of another type"
        return
    for name in ("id", "replay_of"):
        if (value := getattr(record, name, None)) is not None and not _holds(identity, value):
            yield f"{value!r} is no id"
    for path in _paths(record):
        if problem := path_problem(path):
            yield problem
    for sha256, size in _contents(record):
        if not _holds(blobs.path, sha256) or not blobs.has(sha256):
            yield f"it refers to the content {sha256[:80]}, which is not in the archive"
        elif blobs.path(sha256).stat().st_size != size:
            yield f"it says another size of the content {sha256} than it has"
    match record:
        case Run():
            if not _holds(_options, record.options):
                yield "its options are none"
            yield from _plan_problems(record.plan)
        case Approval(kind="plan"):
            for proposed in (record.shown, record.answer or record.shown):
                yield from _plan_problems(proposed.get("plan", "no plan"))
        case Attempt(state=AttemptState.RUNNING, workdir=None):
            yield "it is running nowhere"
        case Event() if not _holds(_DATA.get(record.kind, bool), record.data):
            yield f"its data are not those of a {record.kind.value}"
        case _:
            pass


def _paths(record: Any) -> Iterable[str]:
    """Where its files lie: names within a directory, or of one."""
    match record:
        case Node():
            return (record.step,)
        case Attempt():
            return (record.workdir,) if record.workdir is not None else ()
        case Artifact():
            return (record.path,)
        case Checkpoint():
            return (entry.path for entry in record.tree)
        case Run():
            return (one.path for one in _inputs(record))
        case _:
            return ()


def _inputs(run: Run) -> Iterable[InputFile]:
    """What was attached to it, if its options are any."""
    return RunOptions.from_json(run.options).inputs if _holds(_options, run.options) else ()


def _contents(record: Any) -> Iterable[tuple[str, int]]:
    """The blobs that it names, and the size that it says they have."""
    match record:
        case Artifact():
            return ((record.sha256, record.size),)
        case Checkpoint():
            return ((entry.sha256, entry.size) for entry in record.tree)
        case Run():
            return ((one.sha256, one.size) for one in _inputs(record))
        case Event(kind=EventKind.FILE_GEN) if record.data.get("sha256") is not None:
            return ((str(record.data["sha256"]), record.data.get("size", -1)),)
        case _:
            return ()


def _plan_problems(data: Any) -> list[str]:
    if data is None:
        return []
    try:
        plan = Plan.parse(data)
    except PlanInvalid as error:
        return error.problems[:1]
    except (TypeError, AttributeError):
        return ["its plan is none"]
    return plan.problems({step.agent for step in plan.steps})[:1]


def _holds(check: Callable[[Any], object], value: Any) -> bool:
    """Whether a check lets a value pass."""
    try:
        check(value)
    except (KeyError, TypeError, ValueError, AttributeError, CockpitError):
        return False
    return True


def _options(data: Json) -> None:
    options = RunOptions.from_json(data)
    if name := wrong_field(options):
        raise TypeError(name)


def _state_of(kind: type[RunState] | type[StepState]) -> Callable[[Json], object]:
    return lambda data: kind(data["after"])


def _node(data: Json) -> None:
    known = {one.name for one in fields(Node)}
    values: Json = {name: value for name, value in data.items() if name in known}
    values |= {"session_id": "", "run_id": "", "kind": NodeKind(data["kind"])}
    values["state"] = StepState(data.get("state", StepState.PENDING))
    if name := wrong_field(Node(**values)):
        raise TypeError(name)
    for _, _, kind in data.get("edges", ()):
        EdgeKind(kind)


def _cost(data: Json) -> None:
    if not all(map(check_of(int | None), map(data.get, ("usd_micro", "prompt_tokens", "completion_tokens")))):
        raise TypeError("tokens")


def _approval(data: Json) -> None:
    ApprovalState(data.get("state", ApprovalState.PENDING))


def _file(data: Json) -> None:
    if data.get("sha256") is not None and (type(data["sha256"]), type(data.get("size"))) != (str, int):
        raise TypeError("sha256")


# What is relied on where events are folded into the state that a screen shows.
_DATA: dict[EventKind, Callable[[Json], object]] = {
    EventKind.RUN_STATE: _state_of(RunState),
    EventKind.NODE_STATE: _state_of(StepState),
    EventKind.NODE: _node,
    EventKind.COST: _cost,
    EventKind.APPROVAL: _approval,
    EventKind.FILE_GEN: _file,
}
