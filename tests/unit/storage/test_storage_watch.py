"""The watch: what any process commits is told once, in the order of the commits."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import storage
from engine.model.changes import Add
from engine.model.events import Arrival, EventKind
from tests.unit.storage.conftest import Research


class Ear:
    """Hears what a store's watch tells, put out event by event."""

    def __init__(self, store: Any) -> None:
        self.numbers: list[tuple[str, EventKind, int]] = []
        self._news = asyncio.Event()
        self.look: Callable[[], None] = store.watch(self._heard)

    def _heard(self, arrivals: Sequence[Arrival]) -> None:
        for one in arrivals:
            self.numbers += [(one.run_id, one.kind, number) for number in range(one.first, one.last + 1)]
        self._news.set()

    async def until(self, *numbers: int) -> None:
        """Wait for these, and no others."""
        async with asyncio.timeout(30):
            while [number for _, _, number in self.numbers] != list(numbers):
                assert len(self.numbers) < len(numbers), self.numbers
                self._news.clear()
                await self._news.wait()


async def test_what_another_store_commits_is_told_once(home: Path, store: Any, research: Research) -> None:
    other, _ = storage.open_store(home)
    await other.open()
    await other.commit(*research.opening())
    before, _ = storage.open_store(home)
    await before.open()
    await other.commit(Add(research.event("before anyone listened")))
    ears = [Ear(store), Ear(before)]
    for number in range(2, 6):
        await other.commit(Add(research.event(str(number))))
    for ear in ears:
        await ear.until(1, 2, 3, 4, 5)
        assert {run for run, _, _ in ear.numbers} == {research.run.id}
    late, _ = storage.open_store(home)
    await late.open()
    ears.append(Ear(late))
    await other.commit(*(Add(research.event(str(number))) for number in range(6, 9)))
    await ears[2].until(6, 7, 8)
    await ears[0].until(*range(1, 9))
    for one in (other, before, late):
        await one.close()


async def test_what_the_store_itself_commits_is_told_like_anything_else(store: Any, research: Research) -> None:
    await store.commit(*research.opening())
    ear = Ear(store)
    await store.commit(Add(research.event()), Add(research.event()))
    ear.look()
    await ear.until(1, 2)


async def test_runs_and_kinds_are_told_apart(store: Any, research: Research, another: Research) -> None:
    await store.commit(*research.opening(), *another.opening())
    ear = Ear(store)
    await store.commit(
        Add(research.event(kind=EventKind.RUN_STATE)), Add(another.event()), Add(another.event(kind=EventKind.APPROVAL))
    )
    async with asyncio.timeout(30):
        while len(ear.numbers) < 3:
            await asyncio.sleep(0.01)
    assert sorted(ear.numbers) == sorted(
        [
            (research.run.id, EventKind.RUN_STATE, 1),
            (another.run.id, EventKind.OUTPUT, 1),
            (another.run.id, EventKind.APPROVAL, 2),
        ]
    )


async def test_rows_that_are_numbered_anew_are_not_told_again(home: Path, store: Any, research: Research) -> None:
    await store.commit(*research.opening())
    ear = Ear(store)
    await store.commit(*(Add(research.event()) for _ in range(10)))
    await ear.until(*range(1, 11))
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM events WHERE seq < 8")
        connection.execute("UPDATE events SET rowid = rowid - 7")  # as a VACUUM may
    await store.commit(Add(research.event()), Add(research.event()))
    await ear.until(*range(1, 13))


async def test_nothing_is_missed_when_the_newest_events_are_removed(
    home: Path, store: Any, research: Research, another: Research
) -> None:
    await store.commit(*research.opening(), *another.opening())
    ear = Ear(store)
    await store.commit(Add(research.event()))
    await store.commit(Add(another.event()))
    await ear.until(1, 1)
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM events WHERE run_id = ?", [another.run.id])
    await store.commit(Add(research.event()))
    await ear.until(1, 1, 2)


async def test_a_closed_store_tells_nothing_more(home: Path, store: Any, research: Research) -> None:
    await store.commit(*research.opening())
    other, _ = storage.open_store(home)
    await other.open()
    ear = Ear(other)
    await other.close()
    await store.commit(Add(research.event()))
    open_ear = Ear(store)
    await open_ear.until(1)
    assert ear.numbers == []
