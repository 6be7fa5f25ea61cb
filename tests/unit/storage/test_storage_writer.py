"""The writer: order, numbers, company, and what happens when the disk or the thread fails."""

from __future__ import annotations

import asyncio
import ctypes
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import storage
from engine.model.changes import Add, Retitle
from engine.model.errors import NotFound, StaleState, StorageError
from engine.model.ids import new_id


async def test_events_are_numbered_densely_per_run_in_the_order_of_the_calls(store, research, another):
    heard = []
    store.listen(heard.extend)
    await store.commit(*research.opening(), *another.opening())
    events = [(another if n % 3 == 0 else research).event(str(n)) for n in range(300)]
    await asyncio.gather(*(store.commit(Add(event), urgent=n % 2 == 0) for n, event in enumerate(events)))
    for one in (research, another):
        mine = [event for event in events if event.run_id == one.run.id]
        expected = [event.numbered(seq) for seq, event in enumerate(mine, 1)]
        assert await store.reads(one.session.id).events(one.run.id, limit=999) == expected
        assert [event for event in heard if event.run_id == one.run.id] == expected
    assert [event.id for event in heard] == [event.id for event in events]


async def test_a_number_that_is_asked_for_is_not_given(store, research):
    await store.commit(*research.opening(), Add(replace(research.event(), seq=77)))
    assert [event.seq for event in await store.reads(research.session.id).events(research.run.id)] == [1]


async def test_listeners_hear_before_the_caller_goes_on_and_cannot_break_it(store, research):
    heard, reported = [], []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["message"]))

    def broken(events):
        raise RuntimeError("a widget fell over")

    store.listen(broken)
    store.listen(heard.extend)
    event = research.event()
    await store.commit(*research.opening(), Add(event))
    assert heard == [event.numbered(1)]
    assert len(reported) == 1


async def test_what_is_acknowledged_is_read(store, research):
    await store.commit(*research.opening())
    reads = store.reads(research.session.id)

    async def write_and_read(n):
        event = research.event(str(n))
        await store.commit(Add(event))
        assert event.id in {one.id for one in await reads.events(research.run.id, limit=999)}

    await asyncio.gather(*(write_and_read(n) for n in range(40)))


async def test_one_bad_call_does_not_spoil_its_neighbours(store, research):
    heard = []
    store.listen(heard.extend)
    await store.commit(*research.opening())
    good = [research.event(str(n)) for n in range(20)]
    bad = [
        store.commit(Add(research.event("lost")), research.move_run("planning", "executing")),
        store.commit(Add(research.event("lost")), Add(replace(research.event(), id=good[0].id))),
        store.commit(Add(research.event("lost", node_id=new_id()))),
        store.commit(Retitle("nothing", "t", research.at(1)), Add(research.event("lost"))),
    ]
    calls = [store.commit(Add(event)) for event in good]
    mixed = [one for pair in zip(calls[:4], bad, strict=True) for one in pair] + calls[4:]
    outcomes = await asyncio.gather(*mixed, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[:8]] == [
        type(None),
        StaleState,
        type(None),
        StaleState,
        type(None),
        NotFound,
        type(None),
        NotFound,
    ]
    assert set(outcomes[8:]) == {None}
    expected = [event.numbered(seq) for seq, event in enumerate(good, 1)]
    assert await store.reads(research.session.id).events(research.run.id) == expected
    assert heard == expected


async def test_what_is_not_urgent_waits_for_company_and_what_is_takes_it_along(store, research):
    await store.commit(*research.opening())
    loop = asyncio.get_running_loop()

    started = loop.time()
    await store.commit(Add(research.event("alone")), urgent=False)
    assert loop.time() - started >= 0.04  # it waited for others, who did not come

    done = []

    async def write(text, urgent):
        await store.commit(Add(research.event(text)), urgent=urgent)
        done.append(text)

    await asyncio.gather(write("first", False), write("second", True))
    assert done == ["first", "second"]
    texts = [event.data["text"] for event in await store.reads(research.session.id).events(research.run.id)]
    assert texts == ["alone", "first", "second"]


async def test_a_caller_that_gives_up_does_not_stop_the_writer(store, research):
    await store.commit(*research.opening())
    calls = [asyncio.create_task(store.commit(Add(research.event(str(n))), urgent=False)) for n in range(10)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, False] * 5
    await store.commit(Add(research.event("after")))
    assert await store.reads(research.session.id).event_count(research.run.id) == 11


async def test_nothing_to_write_is_nothing(store):
    await store.commit()


async def test_two_stores_on_one_file_number_one_run_together(store, research, home):
    """A run that is taken over by another process goes on where the first left it, and back again."""
    other, _ = storage.open_store(home)
    await other.open()
    await store.commit(*research.opening())
    for _ in range(3):
        await store.commit(Add(research.event()), Add(research.event()))
        await other.commit(Add(research.event()))
    await other.close()
    events = await store.reads(research.session.id).events(research.run.id)
    assert [event.seq for event in events] == list(range(1, 10))


async def test_closing_writes_what_is_queued_and_later_calls_are_refused(home, research):
    store, _ = storage.open_store(home)
    with pytest.raises(StorageError, match="not open"):
        await store.commit(Add(research.session))
    await store.open()
    await store.open()
    await store.commit(*research.opening())
    reads = store.reads(research.session.id)
    calls = [asyncio.create_task(store.commit(Add(research.event()), urgent=False)) for _ in range(5)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*calls) == [None] * 5
    await store.close()
    for refused in (store.commit(Add(research.event())), store.summaries([]), reads.session()):
        with pytest.raises(StorageError, match=r"not open|closed"):
            await refused
    assert sorted(path.name for path in home.iterdir()) == ["cmbagent.db"]  # the log was folded in

    await store.open()
    assert await store.reads(research.session.id).event_count(research.run.id) == 5
    await store.close()


async def test_a_full_disk_fails_the_calls_loses_nothing_and_passes(store, research, home):
    await store.commit(*research.opening())
    connection = store._opened().writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 30}")

    acknowledged, refused = [], []

    async def produce():
        for _ in range(100):
            event = research.event("x" * 4000)
            try:
                await store.commit(Add(event))
                acknowledged.append(event.id)
            except StorageError as error:
                refused.append(error)

    await asyncio.gather(*(produce() for _ in range(5)))
    assert refused and acknowledged
    assert "no space" in str(refused[0]) and "Free some space" in str(refused[0])
    reads = store.reads(research.session.id)
    assert [event.id for event in await reads.events(research.run.id, limit=999)] == acknowledged

    connection.execute("PRAGMA max_page_count=1000000")
    await store.commit(Add(research.event("again")))
    assert await reads.event_count(research.run.id) == len(acknowledged) + 1
    assert storage.check(home) == []


async def test_a_disk_that_fails_fails_the_calls_and_loses_nothing(home, research):
    """The limit on a file's size stands in for a disk that refuses a write: SQLite and the blob store meet a real
    error of the operating system."""
    script = textwrap.dedent(
        """
        import asyncio, resource, signal, sys
        from pathlib import Path
        import storage
        from engine.model.changes import Add
        from engine.model.errors import StorageError
        sys.path.insert(0, sys.argv[2])
        from conftest import Research

        async def main():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            store, blobs = storage.open_store(Path(sys.argv[1]))
            await store.open()
            research = Research()
            await store.commit(*research.opening())
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
            acknowledged = 0
            try:
                for _ in range(2000):
                    await store.commit(Add(research.event("x" * 8000)))
                    acknowledged += 1
            except StorageError as error:
                print(str(error).replace(chr(10), " "))
            try:
                blobs.put(b"y" * 3_000_000)
            except StorageError as error:
                print(error)
            print(list(Path(sys.argv[1], "blobs").rglob("*-*")))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await store.commit(Add(research.event("again")))
            print(await store.reads(research.session.id).event_count(research.run.id) == acknowledged + 1)
            await store.close()

        asyncio.run(main())
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(home), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    refused, blob, leftover, complete = done.stdout.splitlines()
    assert "disk" in refused and str(home) in refused
    assert "cannot write under" in blob
    assert (leftover, complete) == ("[]", "True")
    assert storage.check(home) == []


async def test_when_the_writers_thread_dies_every_call_fails_and_none_hangs(store, research, home):
    heard = []
    store.listen(heard.extend)
    await store.commit(*research.opening(), Add(research.event("before")))
    thread = store._opened().writer._thread
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    calls = [store.commit(Add(research.event(str(n))), urgent=n % 2 == 0) for n in range(20)]
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
    assert {type(outcome) for outcome in outcomes} == {StorageError}
    assert "ended" in str(outcomes[0])
    with pytest.raises(StorageError, match="ended"):
        await store.commit(Add(research.event("after")))
    reads = store.reads(research.session.id)
    assert await reads.event_count(research.run.id) == 1 and len(heard) == 1
    await asyncio.wait_for(store.close(), 10)
    assert storage.check(home) == []


async def test_another_process_that_holds_the_database_is_waited_for(store, research, home):
    await store.commit(*research.opening())
    with closing(sqlite3.connect(home / "cmbagent.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        call = asyncio.create_task(store.commit(Add(research.event())))
        await asyncio.sleep(0.1)
        assert not call.done()
        other.execute("COMMIT")
    await asyncio.wait_for(call, 5)
