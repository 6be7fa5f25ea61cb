"""Which stored contents a database refers to, and from where."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Table

from storage import tables
from storage.blobs import FileBlobs
from storage.bodies import BLOB_MARK, PARTS_MARK, named, unpack
from storage.codec import CHECKPOINT, CODECS


class Mention(NamedTuple):
    """A place that names contents: a body, or the name of a file's content as a body would have it."""

    where: str  # in words
    owner: str  # a run's id, or the session's when it is no run's
    body: str
    tree: bool = False  # whether its value is the tree of a checkpoint, which names contents too
    options: bool = False  # whether its value is the options of a run, which name what a person attached

    def names(self, blobs: FileBlobs) -> Iterator[tuple[str, str]]:
        """The contents that it names, each with where; some more than once.

        Raises:
            StorageError: a content that names others is missing or damaged; its own name was given before.
            ValueError: it is no body.
        """
        for sha256 in named(self.body, blobs):
            yield sha256, self.where
        if self.tree:
            for path, sha256, *_ in unpack(self.body, blobs):
                yield sha256, f"the file {path} in {self.where}"
        if self.options:
            for one in unpack(self.body, blobs).get("inputs", ()):
                yield one["sha256"], f"the file {one['path']} in {self.where}"


def mentions(connection: sqlite3.Connection) -> Iterator[Mention]:
    """Every mention in a database of this or an earlier revision."""
    query = "SELECT run_id, sha256, min(path) FROM artifacts GROUP BY run_id, sha256"
    for run, sha256, path in connection.execute(query):
        yield Mention(f"the file {path} of run {run}", run, f"{BLOB_MARK}{sha256}")
    for identifier, run, tree in connection.execute("SELECT id, run_id, tree FROM checkpoints"):
        yield Mention(f"checkpoint {identifier} of run {run}", run, tree, tree=True)
    attached = f"options LIKE '%\"inputs\":[{{%' OR {_begins('options', BLOB_MARK)} OR {_begins('options', PARTS_MARK)}"
    for run, options in connection.execute(f"SELECT id, options FROM runs WHERE {attached}"):
        yield Mention(f"runs.options of run {run}", run, options, options=True)
    for codec in CODECS.values():
        table = codec.table
        there = {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table.name})")}
        bodies = [name for name in codec.bodies if name in there and (codec, name) != (CHECKPOINT, "tree")]
        if bodies:
            yield from _in_bodies(connection, table, bodies)


def _in_bodies(connection: sqlite3.Connection, table: Table, bodies: list[str]) -> Iterator[Mention]:
    of_run = "run_id" in table.c or table is tables.runs
    owner = "run_id" if "run_id" in table.c else "session_id" if "session_id" in table.c and not of_run else "id"
    marked = " OR ".join(f"{_begins(name, mark)}" for name in bodies for mark in (BLOB_MARK, PARTS_MARK))
    listed = ", ".join(bodies)
    for identifier, *values in connection.execute(f"SELECT {owner}, {listed} FROM {table.name} WHERE {marked}"):
        for name, body in zip(bodies, values, strict=True):
            if body is not None and body.startswith((BLOB_MARK, PARTS_MARK)):
                whose = f"{'run' if of_run else 'session'} {identifier}"
                yield Mention(f"{table.name}.{name} of {whose}", identifier, body)


def _begins(column: str, mark: str) -> str:
    return f"({column} >= '{mark}' AND {column} < '{mark[:-1]};')"  # ";" is the character after ":"
