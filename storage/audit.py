"""Looking a database and its blobs over: what is damaged, and what contradicts itself. Nothing is changed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path

from engine.model.errors import CockpitError, IllegalTransition, StorageError
from engine.model.records import StateChange
from engine.model.states import RunState, StepState, check_run, check_step
from storage import migrate, sqlite, tables, upkeep, wal
from storage.blobs import FileBlobs
from storage.codec import STATE_CHANGE
from storage.location import Location
from storage.progress import Told, silent
from storage.references import mentions

_AT_MOST = 200  # findings; a database with more is beyond reading one by one


def audit(location: Location, told: Told = silent) -> list[str]:
    """Every finding as a sentence; empty when all is well.

    Raises:
        StorageError: there is no database, or it is of another revision than this program's.
    """
    path = location.database
    if not path.is_file():
        raise StorageError(f"there is no database at {path}.", "It is made when the program first runs.")
    told("the log", 0, 0)
    if lost := _log_damage(path):
        # Whoever opens the database settles for what is left, and nobody could tell any more.
        return [f"{lost}. The rest was not looked at, because to open the database is to settle for what is left."]
    blobs = FileBlobs(location.blobs)
    found = [short] if (short := upkeep.cut_off(path)) else []
    with contextlib.closing(upkeep.look(path)) as connection:
        connection.execute("BEGIN")  # all looks are at one moment, though runs go on
        looks = _LOOKS
        try:
            at = migrate.current(connection, path)
        except StorageError as error:
            if not upkeep.unreadable(error):
                raise
            looks = {"pages and rows": _damage}
        else:
            if at != migrate.HEAD:
                raise migrate.another_revision(path, at)
        for what, look in looks.items():
            with upkeep.telling(connection, what, told):
                for finding in _guarded(what, look, connection, blobs, told, path):
                    found.append(finding)
                    if len(found) == _AT_MOST:
                        return [*found, f"and perhaps more: the check ended after {_AT_MOST}"]
    return found


def _log_damage(path: Path) -> str | None:
    try:
        return wal.lost(path, thorough=True)
    except OSError as error:
        return f"the log of {path} cannot be read: {error.strerror}"


def _guarded(
    what: str,
    look: Callable[[sqlite3.Connection, FileBlobs, Told], Generator[str]],
    connection: sqlite3.Connection,
    blobs: FileBlobs,
    told: Told,
    path: Path,
) -> Generator[str]:
    """The findings of one look, and that it could not go on."""
    try:
        yield from look(connection, blobs, told)
    except (sqlite3.Error, CockpitError) as error:
        if upkeep.interrupted(error):
            raise
        said = sqlite.explain(error, path) if isinstance(error, sqlite3.Error) else error
        yield f"{what}: the check could not go on, because {said.cause.removesuffix('.')}"


def _damage(connection: sqlite3.Connection, blobs: FileBlobs, told: Told) -> Generator[str]:
    yield from upkeep.damage(connection)


def _gaps(connection: sqlite3.Connection, blobs: FileBlobs, told: Told) -> Generator[str]:
    """Events are dense from 1 within their run."""
    query = "SELECT run_id, count(*), min(seq), max(seq) FROM events GROUP BY run_id"
    for run, count, first, last in connection.execute(query):
        if first != 1 or last != count:
            yield f"run {run}: its {count} events are numbered {first} to {last}"


def _states(connection: sqlite3.Connection, blobs: FileBlobs, told: Told) -> Generator[str]:
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


def _links(connection: sqlite3.Connection, blobs: FileBlobs, told: Told) -> Generator[str]:
    """What names an event names one of its own run."""
    for table in (tables.messages, tables.artifacts, tables.cost_records):
        query = (
            f"SELECT one.id, one.event_id FROM {table.name} AS one LEFT JOIN events "
            "ON events.id = one.event_id AND events.run_id = one.run_id "
            "WHERE one.event_id IS NOT NULL AND events.id IS NULL"
        )
        for identifier, event in connection.execute(query):
            yield f"{table.name}: {identifier} names the event {event}, which its run does not have"


def _contents(connection: sqlite3.Connection, blobs: FileBlobs, told: Told) -> Generator[str]:
    """Every content that is referred to is there, and is what its name says."""
    named: dict[str, str] = {}
    for mention in mentions(connection):
        try:
            for sha256, where in mention.names(blobs):
                named.setdefault(sha256, where)
        except StorageError:
            pass  # of a content that is named by now
        except ValueError as error:
            yield f"{mention.where} cannot be read ({error})"
    total, done = sum(map(blobs.size, named)), 0
    for sha256, where in named.items():
        told("contents", done, total)
        done += blobs.size(sha256)
        if problem := blobs.verify(sha256):
            yield f"the content {sha256} ({where}) {problem}"


_LOOKS: dict[str, Callable[[sqlite3.Connection, FileBlobs, Told], Generator[str]]] = {
    "pages and rows": _damage,
    "events": _gaps,
    "states": _states,
    "links": _links,
    "contents": _contents,
}
