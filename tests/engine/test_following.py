"""Following runs that other processes drive: each follower hears 1 … n exactly once and in order, whoever writes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from engine.hub import Hub, Subscription
from engine.model.changes import Add, Change, Fence, Own
from engine.model.events import Event, EventKind
from engine.model.ids import new_id
from engine.model.plan import Plan
from engine.model.records import Mode, Run, Session
from engine.model.states import RunState
from engine.ports import Store
from storage import open_store
from tests.engine.conftest import Lab
from tests.engine.test_steering import gated, until_printed
from tests.support.journals import plan, says, step

NEWS = (EventKind.RUN_STATE, EventKind.APPROVAL)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 30.0  # seconds


def a_run(owner: str | None = None) -> tuple[Session, Run]:
    session = Session(new_id(), "Who hears it?", Mode.ONE_SHOT, "/nowhere", NOW, NOW)
    return session, Run(new_id(), session.id, RunState.DRAFT, Mode.ONE_SHOT, "Write.", {}, NOW, owner_id=owner)


def event(run: Run, number: int) -> Event:
    """Every other one is news."""
    kind = (EventKind.OUTPUT, EventKind.RUN_STATE, EventKind.OUTPUT, EventKind.APPROVAL)[number % 4]
    return Event(new_id(), run.session_id, run.id, kind, NOW, title=f"event {number}")


class Process:
    """What a process has of following: a store of its own, and a hub on it. `pause` (seconds) is how long a page that
    was read takes to come, as on a busy machine."""

    def __init__(self, store: Store, pause: float) -> None:
        self.id = new_id()
        self.store = store
        self.hub = Hub(self._read)
        self._pause = pause

    async def _read(self, run_id: str, **how: Any) -> list[Event]:
        ((_, session_id),) = await self.store.find("runs", run_id)
        page = await self.store.reads(session_id).events(run_id, **how)
        await asyncio.sleep(self._pause)
        return page

    async def open(self) -> None:
        await self.store.open()
        self.store.listen(self.hub.publish)
        self.hub.open(self.store.watch)

    async def close(self) -> None:
        self.hub.close()
        await self.store.close()


@asynccontextmanager
async def processes(home: Path, count: int, pause: float = 0.0) -> AsyncIterator[list[Process]]:
    made = [Process(open_store(home)[0], pause) for _ in range(count)]
    for one in made:
        await one.open()
    try:
        yield made
    finally:
        for one in made:
            await one.close()


class Heard:
    """What a subscription gave."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.after = subscription.last_seq
        self.events: list[Event] = []

    @property
    def seqs(self) -> list[int]:
        return [one.seq for one in self.events]

    @property
    def ids(self) -> set[str]:
        return {one.id for one in self.events}

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                self.events += [item for item in self.subscription.drain() if isinstance(item, Event)]
                if enough():
                    return
                await self.subscription.wait()


class Story:
    """Runs that two processes write and hand to each other, and followers in three."""

    def __init__(self, writers: list[Process], followers: list[Process]) -> None:
        self.writers, self.followers = writers, followers
        self.sessions_and_runs = [a_run(writers[0].id) for _ in range(2)]
        self.runs = [run for _, run in self.sessions_and_runs]
        self.owners = {run.id: 0 for run in self.runs}
        self.leases = {run.id: 0 for run in self.runs}
        self.written: dict[str, int] = defaultdict(int)
        self.news: list[str] = []  # ids of all news, in the order in which their commits were begun
        self.heard: list[Heard] = []
        self.listeners: list[tuple[Heard, int]] = []  # and the news that was there before

    async def tell(self, moves: list[tuple[Any, ...]]) -> None:
        opening = [Add(one) for pair in self.sessions_and_runs for one in pair]
        await self.writers[0].store.commit(*opening)
        lines: dict[str, asyncio.Task[None]] = {}

        async def behind(before: asyncio.Task[None] | None, doing: Any) -> None:
            if before:
                await before
            await doing

        for verb, *what in moves:
            match verb:
                case "write" | "hand over":
                    run = self.runs[what[0]]
                    doing = self.write(run, what[1], what[2]) if verb == "write" else self.hand_over(run)
                    lines[run.id] = asyncio.create_task(behind(lines.get(run.id), doing))
                case "follow":
                    run = self.runs[what[0]]
                    after = self.written[run.id] * what[1] // 4
                    self.heard.append(Heard(self.followers[what[2]].hub.subscribe(run.id, after)))
                case "listen":
                    subscription = self.followers[what[0]].hub.subscribe(None)
                    self.listeners.append((Heard(subscription), len(self.news)))
                case "leave":
                    if self.heard:
                        self.heard.pop(what[0] % len(self.heard)).subscription.close()
                case _:
                    await asyncio.sleep(what[0])
        for line in lines.values():
            await line

    async def write(self, run: Run, count: int, together: bool) -> None:
        """The owner writes, under its lease."""
        writer = self.writers[self.owners[run.id]]
        fence = Fence(run.session_id, run.id, writer.id, self.leases[run.id])
        events = [event(run, self.written[run.id] + number) for number in range(count)]
        self.news += [one.id for one in events if one.kind in NEWS]
        self.written[run.id] += count
        parts = [events] if together else [[one] for one in events]
        await asyncio.gather(
            *(writer.store.commit(fence, *map(Add, part), urgent=together) for part in parts),
        )

    async def hand_over(self, run: Run) -> None:
        owner = self.writers[self.owners[run.id]].id
        self.owners[run.id] = 1 - self.owners[run.id]
        heir = self.writers[self.owners[run.id]]
        own: Change = Own(run.session_id, run.id, heir.id, owner, self.leases[run.id])
        await heir.store.commit(own)
        self.leases[run.id] += 1

    async def check(self) -> None:
        for one in self.heard:
            last = self.written[one.subscription.run_id or ""]
            await one.until(lambda one=one, last=last: one.seqs[-1:] == [last] or one.after == last)
        for one, before in self.listeners:
            await one.until(lambda one=one, before=before: one.ids.issuperset(self.news[before:]))
        closing = [self.followers[0].hub.subscribe(run.id, self.written[run.id]) for run in self.runs]
        for run in self.runs:
            await self.write(run, 3, True)  # behind which nothing of what was written before can come
        for one in map(Heard, closing):
            await one.until(lambda one=one: len(one.events) == 3)
        for one in self.heard:
            last = self.written[one.subscription.run_id or ""]
            await one.until(lambda one=one, last=last: one.seqs[-1:] == [last])
            assert one.seqs == list(range(one.after + 1, last + 1))
            assert [told.title for told in one.events] == [f"event {seq - 1}" for seq in one.seqs]
        for one, before in self.listeners:
            await one.until(lambda one=one, before=before: one.ids.issuperset(self.news[before:]))
            assert len(one.ids) == len(one.events), "news came twice"
            assert one.ids.issubset(self.news)
            for run in self.runs:
                assert (seqs := [told.seq for told in one.events if told.run_id == run.id]) == sorted(seqs)


run_number = st.integers(0, 1)
moves = st.one_of(
    st.tuples(st.just("write"), run_number, st.sampled_from([1, 2, 40, 511, 512, 513, 1100]), st.booleans()),
    st.tuples(st.just("hand over"), run_number),
    st.tuples(st.just("follow"), run_number, st.integers(0, 4), st.integers(0, 2)),
    st.tuples(st.just("listen"), st.integers(0, 2)),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("let go on"), st.sampled_from([0.0, 0.0, 0.001, 0.06])),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("following") / "home"


@settings(max_examples=25, deadline=None)
@given(st.lists(moves, min_size=3, max_size=25), st.sampled_from([0.0, 0.06]))
def test_every_follower_hears_each_event_once_whoever_writes(
    home: Path, moves: list[tuple[Any, ...]], pause: float
) -> None:
    async def play() -> None:
        async with processes(home, 3, pause) as (one, other, reader):
            story = Story([one, other], [one, other, reader])
            await story.tell(moves)
            note(f"written: {dict(story.written)}")
            await story.check()

    asyncio.run(play())


WRITER = """
import asyncio, random, sys
from pathlib import Path
from storage import open_store
from engine.model.changes import Add
from tests.engine.test_following import Run, event

async def main():
    home, run_id, session_id, seed = sys.argv[1:]
    store, _ = open_store(Path(home))
    await store.open()
    run = (await store.runs())[0]
    assert run.id == run_id
    dice, number = random.Random(int(seed)), 0
    while True:
        count = dice.choice([1, 1, 2, 30, 600])
        await store.commit(*(Add(event(run, number + one)) for one in range(count)), urgent=dice.random() < 0.5)
        number += count
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_one_that_writes_is_killed_and_a_follower_writes_on(tmp_path: Path, seed: int) -> None:
    async with processes(tmp_path / "home", 2) as (heir, reader):
        session, run = a_run()
        await heir.store.commit(Add(session), Add(run))
        heard = [Heard(one.hub.subscribe(run.id)) for one in (heir, reader)]
        arguments = [str(tmp_path / "home"), run.id, session.id, str(seed)]
        writer = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WRITER,
            *arguments,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert writer.stdout
        acknowledged = 0
        async with asyncio.timeout(PATIENCE):
            while acknowledged < 2000:
                acknowledged = int(await writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = (await writer.stdout.read()).split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        await writer.wait()
        heard.append(Heard(heir.hub.subscribe(run.id)))
        await heir.store.commit(Own(session.id, run.id, heir.id, None, 0), Add(event(run, -1)))
        last = (await heir.store.reads(session.id).events(run.id, limit=1, newest=True))[0].seq
        assert last > acknowledged
        for one in heard:
            await one.until(lambda one=one: one.seqs[-1:] == [last])
            assert one.seqs == list(range(1, last + 1))


async def test_a_run_that_was_followed_is_driven_on(lab: Lab, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    lab.journal.does("one", gated(gate, tmp_path / "counts", "a"), says("done"))
    first, second, third = await lab.engine(), await lab.engine(), await lab.engine(drives=False)
    followers = [second, third]
    news = [Heard(one.subscribe(None)) for one in followers]
    run = await first.submit("Wait.", options=lab.options(), plan=Plan.parse(plan(step("one"))))
    heard = [Heard(one.subscribe(run.id)) for one in followers]
    await until_printed(first, run.id, "waiting")
    await lab.close(first)
    gate.touch()
    await second.resume(run.id)
    assert (await second.wait(run.id)).state is RunState.COMPLETED
    stored = await third.events(run.id, limit=10_000)
    for one in heard + [Heard(one.subscribe(run.id)) for one in followers]:
        await one.until(lambda one=one: one.seqs[-1:] == [stored[-1].seq])
        assert one.events == stored
    told = [one for one in stored if one.kind in NEWS]
    for one in news:
        await one.until(lambda one=one: len(one.events) >= len(told))
        assert one.events == told
