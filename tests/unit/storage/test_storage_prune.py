"""Pruning: what is old or too much goes whole, what is needed stays whole, and a kill in the middle harms neither."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import storage
from engine.model.changes import Add, Shelve
from engine.model.errors import StorageError
from engine.model.ids import short
from engine.model.states import RunState
from storage import bodies
from tests.support.dying import LATER, killed
from tests.support.homes import TEXT, finished, make_home, picture, read_all, tamper
from tests.unit.storage.conftest import Research

SEED = 20310506
DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def three_homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Research]]:
    home = tmp_path_factory.mktemp("prune") / "home"
    return home, asyncio.run(make_home(home, "one", "two", "three"))


@pytest.fixture
def home(three_homes: tuple[Path, list[Research]], tmp_path: Path) -> Path:
    """A home with three sessions, each of one run; all ended on one day in 2031."""
    home = Path(shutil.copytree(three_homes[0], tmp_path / "home"))
    tamper(home, f"UPDATE sessions SET directory = replace(directory, '{three_homes[0]}', '{home}')")
    age_blobs(home)
    return home


@pytest.fixture
def researches(three_homes: tuple[Path, list[Research]]) -> list[Research]:
    return three_homes[1]


def age_blobs(home: Path) -> None:
    for blob in (home / "blobs").glob("??/*"):
        os.utime(blob, (0, 0))


def end(home: Path, now: datetime = LATER, **days: int) -> None:
    """Have the runs of sessions end this many days before now."""
    for title, ago in days.items():
        at = int((now - ago * DAY).timestamp() * 1e6)
        where = f"session_id = (SELECT id FROM sessions WHERE title = '{title}')"
        tamper(home, f"UPDATE runs SET ended_at = {at} WHERE {where}")


def prune(home: Path, **how: Any) -> Any:
    return storage.prune(home, None, LATER, **how)


def blobs_of(home: Path) -> set[str]:
    return {path.name for path in (home / "blobs").glob("??/*")}


def rows(home: Path) -> dict[str, int]:
    with closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


async def test_what_is_older_goes_whole_and_the_rest_is_as_it_was(home: Path) -> None:
    end(home, one=40, two=31, three=29)
    before, counted = await read_all(home), rows(home)
    done = prune(home, older_than=30 * DAY)
    assert [(one.title, one.state, one.why) for one in done.runs] == [
        ("one", "completed", "it is old"),
        ("two", "completed", "it is old"),
    ]
    assert (done.sessions, done.kept) == (2, ())
    after = await read_all(home)
    assert after == {"three": before["three"]}
    assert storage.check(home) == []
    assert rows(home) == {**{name: count // 3 for name, count in counted.items()}, "alembic_version": 1}
    assert sorted(path.name for path in (home / "sessions").iterdir()) == ["three"]
    assert prune(home, older_than=30 * DAY).runs == ()


async def test_contents_go_that_nothing_refers_to_and_no_other(home: Path, tmp_path: Path) -> None:
    end(home, one=40)
    (tmp_path / "stray").write_text("stored, and never referred to")
    stray, _ = storage.open_store(home)[1].put_file(tmp_path / "stray")
    age_blobs(home)
    fresh = storage.open_store(home)[1].put(b"stored a moment ago: its row is on the way")
    os.utime(home / "blobs" / fresh[:2] / fresh, (LATER.timestamp() - 3500,) * 2)
    before = blobs_of(home)
    done = prune(home, older_than=30 * DAY)
    gone = before - blobs_of(home)
    assert stray in gone and fresh not in gone
    assert done.blobs == len(gone) and done.contents > 0
    storage.backup(home, None, tmp_path / "copy")
    assert blobs_of(tmp_path / "copy") == blobs_of(home) - {fresh}, "nothing is left that nothing refers to"
    assert storage.check(home) == []
    os.utime(home / "blobs" / fresh[:2] / fresh, (LATER.timestamp() - 3700,) * 2)
    assert prune(home).blobs == 1
    assert fresh not in blobs_of(home)


def test_a_dry_run_says_the_same_and_changes_nothing(home: Path, tmp_path: Path) -> None:
    end(home, one=40, two=31, three=1)
    before = picture(home)
    said = prune(home, older_than=30 * DAY, dry=True)
    assert picture(home, lambda path: path.name.endswith(("-wal", "-shm"))) == before
    done = prune(home, older_than=30 * DAY)
    assert replace(said, compacted=done.compacted) == done
    assert len(done.runs) == 2 and done.blobs > 0 and done.database > 0


async def test_the_oldest_go_until_the_rest_fits(home: Path) -> None:
    end(home, one=1, two=3, three=2)
    sizes = {one.title: one.size for one in prune(home, older_than=timedelta(0), dry=True).runs}
    whole = sum(path.stat().st_size for path in [home / "cmbagent.db", *(home / "blobs").glob("??/*")])
    assert prune(home, keep_size=2 * whole).runs == ()
    done = prune(home, keep_size=whole - sizes["two"] // 2)
    assert [(one.title, one.why) for one in done.runs] == [("two", "the rest is too large")]
    done = prune(home, keep_size=1)
    assert [one.title for one in done.runs] == ["three", "one"]
    assert "what remains is larger" in done.kept[0]
    assert storage.check(home) == [] and await read_all(home) == {}


@pytest.mark.parametrize("refers", ["parent_run_id", "replay_of"])
async def test_what_a_kept_run_refers_to_is_kept(home: Path, researches: Sequence[Research], refers: str) -> None:
    """A chain within one session: the oldest two are referred to, the newest is young."""
    r = researches[0]
    middle = await add_run(home, r, "middle", **{refers: r.run.id})
    newest = await add_run(home, r, "newest", **{refers: middle.run.id})
    end(home, one=40, two=40, three=1)
    tamper(home, f"UPDATE runs SET ended_at = {int((LATER - 2 * DAY).timestamp() * 1e6)} WHERE id = '{newest.run.id}'")
    before = await read_all(home)
    done = prune(home, older_than=30 * DAY)
    assert [one.title for one in done.runs] == ["two"]
    assert done.kept == ("2 more of that age: referred to by newer runs",)
    assert await read_all(home) == {title: before[title] for title in ("one", "three")}
    assert [one.title for one in prune(home, keep_size=0).runs] == ["one", "one", "one", "three"]
    assert storage.check(home) == []


async def add_run(home: Path, r: Research, words: str, state: str | None = None, **values: Any) -> Research:
    """Another run in a research's session."""
    store, blobs = storage.open_store(home)
    await store.open()
    other = Research(r.session)
    other.run = other.new_run(**values)
    other.node = other.new_node("fit")
    other.attempt = replace(other.attempt, run_id=other.run.id, node_id=other.node.id)
    changes = finished(other, blobs, words)
    await store.commit(*(changes[:-1] if state else changes))
    await store.close()
    return other


@pytest.mark.parametrize("state", [state.value for state in RunState if not state.terminal])
async def test_a_run_that_is_not_over_stays(home: Path, researches: Sequence[Research], state: str) -> None:
    end(home, one=400, two=400, three=400)
    tamper(home, f"UPDATE runs SET state = '{state}' WHERE id = '{researches[1].run.id}'")
    done = prune(home, older_than=30 * DAY, keep_size=0)
    assert sorted(one.title for one in done.runs) == ["one", "three"]
    assert "1 more of that age: not over" in done.kept
    assert (await read_all(home)).keys() == {"two"}


async def test_deleted_sessions_go_once_they_are_old_enough(home: Path, researches: Sequence[Research]) -> None:
    store, _ = storage.open_store(home)
    await store.open()
    for r, days in zip(researches, (31, 29, None), strict=True):
        at = None if days is None else LATER - days * DAY
        await store.commit(Shelve(r.session.id, (), None, at))
    empty = replace(Research().session, title="empty", deleted_at=LATER - 31 * DAY)
    await store.commit(Add(empty), Add(replace(Research().session, title="new and empty")))
    await store.close()
    end(home, one=1, two=1, three=1)
    done = prune(home, older_than=30 * DAY)
    assert [(one.title, one.why) for one in done.runs] == [("one", "its session was deleted")]
    assert done.sessions == 2
    assert (await read_all(home)).keys() == {"two", "three", "new and empty"}


async def test_a_session_with_a_run_that_stays_stays(home: Path, researches: Sequence[Research]) -> None:
    await add_run(home, researches[0], "second")
    end(home, one=1, two=1, three=1)
    tamper(home, f"UPDATE runs SET ended_at = 0 WHERE id = '{researches[0].run.id}'")
    done = prune(home, older_than=30 * DAY)
    assert (len(done.runs), done.sessions) == (1, 0)
    assert (await read_all(home)).keys() == {"one", "two", "three"}
    assert storage.check(home) == []


def test_directories_go_only_where_they_are_the_programs_own(
    home: Path, researches: Sequence[Research], tmp_path
) -> None:
    one, two, three = (short(r.run.id) for r in researches)
    outside = tmp_path / "elsewhere"
    (outside / one).mkdir(parents=True)
    (outside / one / "precious").write_text("precious")
    tamper(home, f"UPDATE sessions SET directory = '{outside}' WHERE title = 'one'")
    shutil.rmtree(home / "sessions" / "two")
    (home / "sessions" / "two").symlink_to(outside, target_is_directory=True)
    (outside / two).mkdir()
    (home / "sessions" / "three" / "notes.txt").write_text("a person's own")
    assert len(prune(home, older_than=DAY).runs) == 3
    assert (outside / one / "precious").read_text() == "precious"
    assert (outside / two).is_dir()
    assert not (home / "sessions" / "three" / three).exists()
    assert (home / "sessions" / "three" / "notes.txt").read_text() == "a person's own"


async def test_runs_that_go_on_are_not_disturbed(home: Path, researches: Sequence[Research]) -> None:
    """Another process writes all along, also texts that are stored already and that nothing else refers to any more."""
    now = datetime.now(UTC)
    end(home, now, one=40, two=40, three=1)
    store, _ = storage.open_store(home)
    await store.open()
    live = Research()
    await store.commit(*live.opening())
    written: list[str] = []
    stop = False

    async def write() -> None:
        while not stop:
            text = f"{TEXT}one" if len(written) % 2 else f"{len(written)} of my own" * 300
            event = live.event(text)
            await store.commit(Add(event))
            written.append(text)

    writer = asyncio.create_task(write())
    while not written:
        await asyncio.sleep(0)
    done = await asyncio.to_thread(storage.prune, home, None, now, older_than=30 * DAY)
    stop = True
    await writer
    assert len(done.runs) == 2 and not done.compacted
    events = await store.reads(live.session.id).events(live.run.id, limit=100_000)
    assert [event.data["text"] for event in events] == written
    await store.close()
    assert storage.check(home) == []


async def test_a_run_that_was_taken_up_again_or_branched_meanwhile_stays(
    home: Path, researches: Sequence[Research]
) -> None:
    """What was chosen is looked at again when its turn comes."""
    one, two, _ = researches

    def meddle(what: str, done: int, total: int) -> None:
        if what == "removing runs" and done == 0:
            tamper(home, f"UPDATE runs SET state = 'executing' WHERE id = '{one.run.id}'")
            tamper(home, f"UPDATE runs SET replay_of = '{two.run.id}' WHERE id = '{one.run.id}'")

    done = prune(home, older_than=DAY, told=meddle)
    assert [run.title for run in done.runs] == ["three"]
    assert (await read_all(home)).keys() == {"one", "two"}


async def test_the_file_shrinks_when_that_is_worth_it_and_nobody_has_it_open(home: Path, researches: Any) -> None:
    store, _ = storage.open_store(home)
    await store.open()
    r = researches[0]
    for _ in range(30):
        await store.commit(*(Add(r.event("x" * 1900)) for _ in range(50)))
    await store.close()
    end(home, one=40, two=1, three=1)
    before = (home / "cmbagent.db").stat().st_size
    with closing(sqlite3.connect(home / "cmbagent.db")) as other:
        other.execute("SELECT count(*) FROM runs").fetchone()
        assert not prune(home, older_than=30 * DAY).compacted
    assert (home / "cmbagent.db").stat().st_size >= before
    assert prune(home).compacted
    assert (home / "cmbagent.db").stat().st_size < before / 2
    assert storage.check(home) == []


def test_nothing_is_removed_while_nobody_can_say_what_is_referred_to(home: Path) -> None:
    with closing(sqlite3.connect(home / "cmbagent.db")) as raw:
        (body,) = raw.execute("SELECT data FROM events WHERE data LIKE 'parts:sha256:%' LIMIT 1").fetchone()
    name = body.removeprefix(bodies.PARTS_MARK + bodies.BLOB_MARK)
    (home / "blobs" / name[:2] / name).unlink()
    before = picture(home)
    with pytest.raises(StorageError, match=name) as caught:
        prune(home, older_than=DAY)
    assert "db check" in caught.value.hint
    assert picture(home) == before


def test_without_a_database_there_is_nothing_to_prune(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no database"):
        prune(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


async def test_a_killed_prune_removed_each_run_whole_or_not_at_all(
    three_homes: tuple[Path, list[Research]], tmp_path: Path
) -> None:
    origin, _ = three_homes
    homes = [Path(shutil.copytree(origin, tmp_path / f"h{number}")) for number in range(24)]
    for home in homes:
        tamper(home, f"UPDATE sessions SET directory = replace(directory, '{origin}', '{home}')")
        age_blobs(home)
    whole = await read_all(homes[-1])
    assert killed("prune", homes, SEED) >= 12
    left = []
    for home in homes:
        context = f"{home.name}, seed {SEED}"
        assert storage.check(home) == [], context
        found = await read_all(home)
        assert {title: parts[2].run for title, parts in found.items()} == {
            title: whole[title][2].run for title in found
        }, context
        left.append(len(found))
        prune(home, older_than=DAY)
        assert await read_all(home) == {} and blobs_of(home) == set(), context
        assert not list((home / "sessions").rglob("*.md")), context
    assert len(set(left)) > 1


def test_times_are_those_of_the_caller(home: Path) -> None:
    assert storage.prune(home, None, datetime(2031, 5, 7, tzinfo=UTC), older_than=DAY).runs == ()
    assert len(storage.prune(home, None, datetime(2031, 5, 8, tzinfo=UTC), older_than=DAY).runs) == 3
