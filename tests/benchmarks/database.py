"""Looking after a database of 1 GB (most of it rows, a fifth files): seconds for a check, a backup, a restore and a dry
prune, beside what a plain copy of the same files and their SHA-256 take on the same disk in the same run.

A backup links the files where it can, and reads every byte of them and of the copied database once; a check reads all
of it, and compares every row with its indexes. Megabytes as the first argument make it another size.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import storage
from engine.model.changes import Add
from engine.model.ids import new_id
from engine.model.records import Artifact, Attempt, AttemptState, Mode, Node, NodeKind, Run, Session
from engine.model.states import RunState

MEGABYTE = 1_000_000
FILES = 0.2  # of the bytes
FILE = MEGABYTE // 2
RUNS = 20
ROUNDS = 3
BODY = json.dumps({"stream": "stdout", "text": "x" * 700}, separators=(",", ":"))
ROW = 1200  # bytes that an event with this body takes with its indexes, about


async def fill(home: Path, megabytes: int) -> None:
    """Write the records of a few runs as the program does, and then many events of theirs at once."""
    store, blobs = storage.open_store(home)
    await store.open()
    now, noise = datetime.now(UTC), random.Random(1)
    places: list[tuple[str, str, str, str]] = []
    for number in range(RUNS):
        session = Session(new_id(), f"session {number}", Mode.ONE_SHOT, str(home / "s"), now, now)
        run = Run(new_id(), session.id, RunState.DRAFT, Mode.ONE_SHOT, "task", {}, now)
        node = Node(new_id(), session.id, run.id, "task", NodeKind.STEP, "task", "engineer", 0)
        attempt = Attempt(new_id(), session.id, run.id, node.id, 1, "first", AttemptState.RUNNING, now)
        await store.commit(Add(session), Add(run), Add(node), Add(attempt))
        places.append((session.id, run.id, node.id, attempt.id))
        for file in range(int(megabytes * MEGABYTE * FILES / FILE / RUNS)):
            sha256 = blobs.put(noise.randbytes(FILE))
            owner = (session.id, run.id, node.id, attempt.id)
            await store.commit(Add(Artifact(new_id(), *owner, None, now, "e", f"{file}.bin", sha256, FILE, "data")))
    await store.close()
    count = int(megabytes * MEGABYTE * (1 - FILES) / ROW / RUNS)
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as database:
        for pragma in ("synchronous=OFF", "cache_size=-200000", "wal_autocheckpoint=20000"):
            database.execute(f"PRAGMA {pragma}")
        for place in places:
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO events (id, session_id, run_id, node_id, attempt_id, kind, at, phase, title, data, seq) "
                "VALUES (?, ?, ?, ?, ?, 'output', 0, 'point', 'printed', ?, ?)",
                ((new_id(), *place, BODY, seq) for seq in range(1, count + 1)),
            )
            database.execute("COMMIT")


def seconds(deed: Callable[[], object]) -> float:
    """How long a deed takes."""
    began = time.perf_counter()
    deed()
    return time.perf_counter() - began


def copy_and_hash(home: Path, target: Path) -> None:
    """The floor: every file is copied and the copy hashed."""
    shutil.copytree(home, target, copy_function=shutil.copyfile)
    for path in target.rglob("*"):
        if path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while data := file.read(MEGABYTE):
                    digest.update(data)


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def main() -> None:
    """Print the medians as one JSON object."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        built = seconds(lambda: asyncio.run(fill(home, megabytes)))
        database, size = (home / "cmbagent.db").stat().st_size, size_of(home)
        for number in range(ROUNDS):
            place = Path(folder) / str(number)

            def check() -> None:
                found = storage.check(home)
                assert not found, found

            def backup(place: Path = place) -> None:
                storage.backup(home, None, place / "backup")

            def restore(place: Path = place) -> None:
                storage.restore(place / "fresh", None, place / "backup")

            def dry_prune() -> None:
                storage.prune(home, None, datetime.now(UTC), older_than=timedelta(days=1), dry=True)

            def floor(place: Path = place) -> None:
                copy_and_hash(home, place / "copy")

            for deed in (floor, check, backup, restore, dry_prune):
                figures.setdefault(f"{deed.__name__}_s", []).append(seconds(deed))
            shutil.rmtree(place)
    medians = {name: round(statistics.median(values), 2) for name, values in figures.items()}
    sizes = {"megabytes": round(size / MEGABYTE), "database_mb": round(database / MEGABYTE)}
    print(json.dumps({"benchmark": "database", "rounds": ROUNDS, **sizes, "built_s": round(built, 1), **medians}))


if __name__ == "__main__":
    main()
