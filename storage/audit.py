"""Looking a database and its blobs over: what is damaged, and what contradicts itself. Nothing is changed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator

from engine.model.errors import CockpitError, IllegalTransition, StorageError
from engine.model.records import StateChange
from engine.model.states import RunState, StepState, check_run, check_step
from storage import migrate, sqlite, tables
from storage.blobs import FileBlobs
from storage.codec import BLOB_MARK, CHECKPOINT, STATE_CHANGE, body_columns
from storage.location import Location

_AT_MOST = 200  # findings; a database with more is beyond reading one by one


def audit(location: Location) -> list[str]:
    """Every finding as a sentence; empty when all is well.

    Raises:
        StorageError: there is no database, or it is of another revision than this program's.
    """
    path = location.database
    if not path.is_file():
        raise StorageError(f"there is no database at {path}.", "It is made when the program first runs.")
    blobs = FileBlobs(location.blobs)
    with contextlib.closing(sqlite.connect(path, read_only=True)) as connection:
        at = migrate.current(connection, path)
        if at != migrate.HEAD:
            raise StorageError(
                f"{path} is at revision {at!r}, this program at {migrate.HEAD!r}.", "Run `cmbagent-tui db upgrade`."
            )
        found: list[str] = []
        try:
            for look in (_damage, _gaps, _states, _links, _contents):
                for finding in look(connection, blobs):
                    found.append(finding)
                    if len(found) == _AT_MOST:
                        return [*found, f"and perhaps more: the check ended after {_AT_MOST}"]
        except (sqlite3.Error, CockpitError) as error:
            said = sqlite.explain(error, path) if isinstance(error, sqlite3.Error) else error
            found.append(f"the check could not go on: {said.cause}")
        return found


def _damage(connection: sqlite3.Connection, blobs: FileBlobs) -> Generator[str]:
    yield from sqlite.damage(connection)


def _gaps(connection: sqlite3.Connection, blobs: FileBlobs) -> Generator[str]:
    """Events are dense from 1 within their run."""
    query = "SELECT run_id, count(*), min(seq), max(seq) FROM events GROUP BY run_id"
    for run, count, first, last in connection.execute(query):
        if first != 1 or last != count:
            yield f"run {run}: its {count} events are numbered {first} to {last}"


def _states(connection: sqlite3.Connection, blobs: FileBlobs) -> Generator[str]:
    """Each history is a path through the table of transitions that ends in the state found."""
    last: dict[tuple[str, str], str] = {}
    columns = ", ".join(f'"{name}"' for name in STATE_CHANGE.names)
    for row in connection.execute(f"SELECT {columns} FROM state_history ORDER BY id"):
        move = STATE_CHANGE.decode(row, blobs)
        key = move.entity, move.entity_id
        if key in last and last[key] != move.before:
            yield f"{move.entity} {move.entity_id}: its history goes on from {move.before}, but it was {last[key]}"
        with _illegal() as problems:
            _check_move(move)
        yield from (f"{move.entity} {move.entity_id}: {problem}" for problem in problems)
        last[key] = move.after
    for entity, table in (("run", tables.runs), ("node", tables.nodes)):
        for identifier, state in connection.execute(f"SELECT id, state FROM {table.name}"):
            if last.get((entity, identifier), state) != state:
                yield f"{entity} {identifier} is {state}, but its history ends in {last[entity, identifier]}"
    query = (
        "SELECT attempts.id, nodes.id, nodes.state FROM attempts JOIN nodes ON nodes.id = attempts.node_id "
        "WHERE attempts.state = 'running' AND nodes.state IN ('completed', 'failed', 'skipped', 'cancelled')"
    )
    for attempt, node, state in connection.execute(query):
        yield f"attempt {attempt} is running, but its node {node} is {state}"


@contextlib.contextmanager
def _illegal() -> Generator[list[str]]:
    problems: list[str] = []
    try:
        yield problems
    except (IllegalTransition, ValueError) as error:
        problems.append(str(error))


def _check_move(move: StateChange) -> None:
    if move.entity == "run":
        check_run(RunState(move.before), RunState(move.after), move.actor)
    else:
        check_step(StepState(move.before), StepState(move.after), move.actor)


def _links(connection: sqlite3.Connection, blobs: FileBlobs) -> Generator[str]:
    """What names an event names one of its own run."""
    for table in (tables.messages, tables.artifacts, tables.cost_records):
        query = (
            f"SELECT one.id, one.event_id FROM {table.name} AS one LEFT JOIN events "
            "ON events.id = one.event_id AND events.run_id = one.run_id "
            "WHERE one.event_id IS NOT NULL AND events.id IS NULL"
        )
        for identifier, event in connection.execute(query):
            yield f"{table.name}: {identifier} names the event {event}, which its run does not have"


def _contents(connection: sqlite3.Connection, blobs: FileBlobs) -> Generator[str]:
    """Every blob that is referred to is there, and is what its name says."""
    named: dict[str, str] = {}
    for column in body_columns():
        query = f"SELECT DISTINCT {column.name} FROM {column.table.name} WHERE {column.name} LIKE '{BLOB_MARK}%'"
        for (mark,) in connection.execute(query):
            named.setdefault(str(mark).removeprefix(BLOB_MARK), str(column))
    for sha256, path in connection.execute("SELECT sha256, min(path) FROM artifacts GROUP BY sha256"):
        named.setdefault(str(sha256), f"artifact {path}")
    broken = {sha256: problem for sha256 in named if (problem := blobs.verify(sha256))}
    columns = ", ".join(CHECKPOINT.names)
    for row in connection.execute(f"SELECT {columns} FROM checkpoints"):
        try:
            checkpoint = CHECKPOINT.decode(row, blobs)
        except StorageError as error:
            yield f"checkpoint {row[0]}: {error.cause}"
            continue
        for entry in checkpoint.tree:
            if entry.sha256 not in named:
                named[entry.sha256] = f"checkpoint {checkpoint.id}, {entry.path}"
                if problem := blobs.verify(entry.sha256):
                    broken[entry.sha256] = problem
    for sha256, problem in broken.items():
        yield f"the content {sha256} ({named[sha256]}) {problem}"
