"""Retention: runs that are over go whole, by age or to fit a size, and never what a kept run refers to; then the
contents that nothing refers to any more."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from engine.model.errors import StorageError
from engine.model.ids import short
from storage import migrate, sqlite, tables, upkeep
from storage.blobs import FileBlobs
from storage.location import Location
from storage.progress import Told, silent
from storage.references import mentions
from storage.retention import Candidate, Choice, Limits, choose

_ASIDE = ".pruned"  # what the directory of a run is called that is about to go
_GRACE = 3600.0  # seconds that a content which nothing refers to is kept: the row that will may be on its way
_WORTH_IT = 0.25  # of the file: free pages that are worth compacting it
_AT_LEAST = 1024 * 1024  # bytes of them

# Children before parents, as foreign keys want it.
_OF_A_RUN = (
    tables.cost_records,
    tables.state_history,
    tables.approvals,
    tables.checkpoints,
    tables.artifacts,
    tables.messages,
    tables.events,
    tables.journal_entries,
    tables.commands,
    tables.attempts,
    tables.edges,
    tables.nodes,
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be. Sizes are bytes."""

    runs: tuple[Candidate, ...]
    sessions: int
    blobs: int
    contents: int  # of the blobs
    database: int  # that its rows no longer take, about
    compacted: bool  # whether the database file shrank, too
    kept: tuple[str, ...]  # what the limits let go of and something else holds, in words


def prune(location: Location, limits: Limits, now: datetime, *, dry: bool = False, told: Told = silent) -> Pruned:
    """Remove what the limits let go of, or (`dry`) only say what that is. Others may have the database open.

    Raises:
        StorageError: there is no database, it is of another revision or damaged, or the disk refused. What was removed
            until then was removed whole.
    """
    path = location.database
    if not path.is_file():
        raise StorageError(f"there is no database at {path}.", "It is made when the program first runs.")
    migrate.refuse_lossy(path)
    try:
        with sqlite.explained(path), contextlib.closing(sqlite.connect(path)) as connection:
            at = migrate.current(connection, path)
            if at != migrate.HEAD:
                raise migrate.another_revision(path, at)
            with sqlite.opening(path):  # beside a restore, contents would go that are about to be referred to
                pruned = _Pruning(location, connection, limits, now, told).carry_out(dry)
    except OSError as error:
        raise StorageError(
            f"cannot remove {error.filename}: {error.strerror}.", "Run `cmbagent-tui db check`."
        ) from error
    return pruned if dry else _compacted(path, pruned, told)


class _Pruning:
    """One prune as it goes on."""

    def __init__(
        self, location: Location, connection: sqlite3.Connection, limits: Limits, now: datetime, told: Told
    ) -> None:
        self._home = location.blobs.parent
        self._blobs = FileBlobs(location.blobs)
        self._connection = connection
        self._limits, self._now, self._told = limits, now, told
        self._sessions = 0  # removed

    def carry_out(self, dry: bool) -> Pruned:
        if not dry:
            self._settle_directories()
        with self._reading():
            choice = choose(self._connection, self._blobs, self._limits, self._now, self._told)
        if dry:
            blobs = self._unnamed(choice.still_named)
            contents = sum(map(self._blobs.size, blobs))
            return self._pruned(choice.runs, len(choice.sessions), len(blobs), contents, choice)
        removed: list[Candidate] = []
        for number, one in enumerate(choice.runs):
            self._told("removing runs", number, len(choice.runs))
            if self._remove(one):
                removed.append(one)
        for session in choice.sessions:  # those that had no run to go with
            with self._writing():
                directory = self._remove_session(session)
            self._remove_directory(directory)
        with self._reading():
            mentioned = mentions(self._connection)
            named = {name for mention in mentioned for name, _ in mention.names(self._blobs)}
        blobs = self._unnamed(named)
        gone = contents = 0
        for number, name in enumerate(blobs):
            self._told("removing contents", number, len(blobs))
            size = self._blobs.size(name)
            if self._blobs.remove_old(name, self._now.timestamp() - _GRACE):
                gone, contents = gone + 1, contents + size
        return self._pruned(removed, self._sessions, gone, contents, choice)

    def _pruned(self, runs: list[Candidate], sessions: int, blobs: int, contents: int, choice: Choice) -> Pruned:
        return Pruned(tuple(runs), sessions, blobs, contents, sum(one.rows for one in runs), False, tuple(choice.kept))

    def _unnamed(self, named: set[str]) -> list[str]:
        """The contents on the disk that are not named, and are old enough to go."""
        before = self._now.timestamp() - _GRACE
        return [name for name in self._blobs.names() if name not in named and self._blobs.changed(name) < before]

    def _remove(self, one: Candidate) -> bool:
        """Remove a run with all its rows, its directory, and its session if that has no other run; False if the run is
        not over any more, or referred to."""
        run = [one.run_id]
        with self._writing():
            still = "SELECT 1 FROM runs WHERE id = ? AND state = ?"
            refers = "SELECT 1 FROM runs WHERE ? IN (parent_run_id, replay_of)"
            if not self._all(still, one.run_id, one.state) or self._all(refers, *run):
                return False
            ((directory,),) = self._all("SELECT directory FROM sessions WHERE id = ?", one.session_id)
            for table in _OF_A_RUN:
                self._connection.execute(f"DELETE FROM {table.name} WHERE run_id = ?", run)
            self._connection.execute("DELETE FROM runs WHERE id = ?", run)
            aside = self._put_aside(Path(directory) / short(one.run_id))
            empty = self._remove_session(one.session_id)
        if aside:
            shutil.rmtree(aside, ignore_errors=True)
        self._remove_directory(empty)
        return True

    def _remove_session(self, session: str) -> Path | None:
        """Remove a session that has no runs, within a transaction; return its directory."""
        found = self._all("SELECT directory FROM sessions WHERE id = ?", session)
        if not found or self._all("SELECT 1 FROM runs WHERE session_id = ? LIMIT 1", session):
            return None
        self._connection.execute("DELETE FROM session_states WHERE session_id = ?", [session])
        self._connection.execute("DELETE FROM sessions WHERE id = ?", [session])
        self._sessions += 1
        return Path(found[0][0])

    def _remove_directory(self, directory: Path | None) -> None:
        if directory is not None and self._is_ours(directory):
            with contextlib.suppress(OSError):  # what a person has put there stays
                directory.rmdir()

    def _is_ours(self, directory: Path) -> bool:
        """Whether it lies inside the home, and is no link to elsewhere."""
        if not directory.is_relative_to(self._home) or directory == self._home:
            return False
        return directory.resolve() == self._home.resolve() / directory.relative_to(self._home)

    def _put_aside(self, directory: Path) -> Path | None:
        """Give a run's directory another name until its rows are gone for good."""
        if not self._is_ours(directory) or not directory.is_dir():
            return None
        return directory.rename(directory.with_name(f".{directory.name}{_ASIDE}"))

    def _settle_directories(self) -> None:
        """Finish with the directories that a killed prune has put aside."""
        known = {short(run) for (run,) in self._all("SELECT id FROM runs")}
        places = {Path(directory) for (directory,) in self._all("SELECT directory FROM sessions")}
        for place in {*places, *(self._home / "sessions").glob("*")}:
            asides = list(place.glob(f".*{_ASIDE}")) if self._is_ours(place) else []
            for aside in asides:
                name = aside.name.removeprefix(".").removesuffix(_ASIDE)
                if name in known:
                    aside.rename(aside.with_name(name))
                else:
                    shutil.rmtree(aside, ignore_errors=True)
            if asides and place not in places:
                self._remove_directory(place)

    def _all(self, query: str, *values: str) -> list[tuple[str, ...]]:
        return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        self._connection.execute(sqlite.BEGIN_WRITE)
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _compacted(path: Path, pruned: Pruned, told: Told) -> Pruned:
    """Give the free pages back where that is worth it, unless somebody has the database open or there is no room."""
    with contextlib.suppress(StorageError), upkeep.alone(path) as connection:
        count, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        if free * size >= max(_AT_LEAST, _WORTH_IT * count * size):
            told("compacting the database", 0, 0)
            connection.execute("VACUUM")
            return replace(pruned, compacted=True)
    return pruned
