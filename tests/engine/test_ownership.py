"""Several engines on one database: one owner a run, a former one is fenced off, commands have one outcome each."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.engine import Engine
from engine.host.sweep import started
from engine.model.changes import Add
from engine.model.clients import Client
from engine.model.errors import CockpitError, UsageError
from engine.model.ids import new_id
from engine.model.plan import Plan
from engine.model.states import RunState
from engine.runs.liveness import Watch, this_system
from storage import open_store
from tests.engine.conftest import Lab
from tests.engine.test_steering import gated, until, until_printed
from tests.support.journals import plan, says, step

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that a test moves; the two do not go together."""

    def __init__(self) -> None:
        self.wall, self.seconds = NOW, 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds


def client(**values: object) -> Client:
    own: dict[str, object] = {"pid": 1, "boot": this_system(), "process": ""}
    return Client(id=new_id(), host="host", terminal="", started_at=NOW, heartbeat_at=NOW, **{**own, **values})  # type: ignore[arg-type]


async def sleeper(lab: Lab, tmp_path) -> tuple[Engine, str]:
    """An engine that says no more that it lives, with a run in the middle of a step."""
    lab.journal.does("one", gated(tmp_path / "gate", tmp_path / "counts", "a"), says("done"))
    first = await lab.engine(heartbeat=3600.0)
    run = await first.submit("Sleep.", options=lab.options(), plan=Plan.parse(plan(step("one"))))
    await until_printed(first, run.id, "waiting")
    return first, run.id


async def taken(engine: Engine) -> list[str]:
    """What an engine takes over, once it does."""
    async with asyncio.timeout(30):
        while not (runs := await engine.take_over()):
            await asyncio.sleep(0.05)
    return runs


async def test_one_that_slept_is_fenced_off_and_follows_its_successor(lab: Lab, tmp_path) -> None:
    first, run_id = await sleeper(lab, tmp_path)
    follower = first.subscribe(run_id)
    second = await lab.engine(silent=0.3)
    assert await second.take_over() == [], "one look says nothing yet"
    assert await taken(second) == [run_id]
    (tmp_path / "gate").touch()
    assert (await second.wait(run_id)).state is RunState.COMPLETED
    await first.wait(run_id)
    assert run_id not in first.active()
    last = (await second.view(run_id)).last_seq
    async with asyncio.timeout(30):
        while follower.last_seq < last:
            await follower.wait()
            follower.drain()
    events = await second.events(run_id, limit=1000)
    assert [one.seq for one in events] == list(range(1, last + 1))
    assert first.trouble(run_id) is None
    starts = [one for one in events if one.kind == "node_state" and one.data["after"] == "completed"]
    assert len(starts) == 2, "each step was completed once"


async def test_of_two_that_want_a_dead_owners_run_one_gets_it(lab: Lab, tmp_path) -> None:
    _, run_id = await sleeper(lab, tmp_path)
    several = [await lab.engine(silent=0.2) for _ in range(3)]
    won: list[list[str]] = []
    async with asyncio.timeout(30):
        while not any(won):
            won = await asyncio.gather(*(engine.take_over() for engine in several))
    assert sorted(won) == [[], [], [run_id]]
    (tmp_path / "gate").touch()
    await until(several[0], run_id, RunState.COMPLETED)


async def test_an_owner_that_is_alive_keeps_its_run_however_the_clock_jumps(lab: Lab, tmp_path) -> None:
    lab.journal.does("one", gated(tmp_path / "gate", tmp_path / "counts", "a"), says("done"))
    first = await lab.engine(heartbeat=0.1)
    run = await first.submit("Go.", options=lab.options(), plan=Plan.parse(plan(step("one"))))
    await until_printed(first, run.id, "waiting")
    second = await lab.engine(silent=1.0)
    store, _ = open_store(lab.home)
    await store.open()
    owner = next(one for one in await store.clients() if one.id == run.owner_id)
    for jump in (timedelta(hours=-1), timedelta(hours=1)):
        await store.commit(Add(replace(owner, heartbeat_at=owner.heartbeat_at + jump)))
        assert await second.take_over() == []
    await store.close()
    (tmp_path / "gate").touch()
    assert (await first.wait(run.id)).state is RunState.COMPLETED


def test_a_heartbeat_counts_by_standing_still_and_never_by_what_time_it_names() -> None:
    clock = Clock()
    watch = Watch(clock, silent=15)
    living = client(pid=os.getpid(), process=_start_of(os.getpid()))
    later = [timedelta(hours=hours) for hours in (0, 1, -2, 5)]
    for jump in later:
        clock.seconds += 14
        beating = replace(living, heartbeat_at=NOW + jump)
        assert watch.alive(beating)
    clock.seconds += 14.9
    assert watch.alive(beating)
    clock.seconds += 0.2
    assert not watch.alive(beating)


def test_a_lease_from_the_future_ends_like_any_other() -> None:
    clock = Clock()
    watch = Watch(clock, silent=15)
    ahead = replace(client(pid=os.getpid(), process=_start_of(os.getpid())), heartbeat_at=NOW + timedelta(days=400))
    assert watch.alive(ahead)
    clock.seconds += 15
    assert not watch.alive(ahead)


def test_who_is_gone_is_known_at_once() -> None:
    watch = Watch(Clock(), silent=15)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    living = client(pid=child.pid, process=_start_of(child.pid))
    assert watch.alive(living)
    assert not watch.alive(client(pid=child.pid, process="1")), "another process has its number by now"
    assert not watch.alive(client(pid=child.pid, process=living.process, boot="another/boot"))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not watch.alive(living)


async def test_at_most_so_many_may_share_a_database(lab: Lab) -> None:
    for _ in range(3):
        await lab.engine(max_clients=3)
    with pytest.raises(UsageError, match="3 processes have this database open, and at most 3 may"):
        await lab.engine(max_clients=3)


async def test_who_died_is_taken_off_the_list(lab: Lab) -> None:
    engine = await lab.engine()
    store, _ = open_store(lab.home)
    await store.open()
    await store.commit(*[Add(client(pid=2**22 + n)) for n in range(150)])
    await lab.engine()
    assert len(await store.clients()) == 2
    await store.close()
    assert engine.is_open


async def test_a_command_to_an_owner_that_says_nothing_is_withdrawn_and_the_run_taken_over(lab: Lab, tmp_path) -> None:
    _, run_id = await sleeper(lab, tmp_path)
    second = await lab.engine(silent=0.3)
    (tmp_path / "gate").touch()
    await second.resume(run_id)
    await until(second, run_id, RunState.COMPLETED)
    store, _ = open_store(lab.home)
    await store.open()
    assert await store.commands(run_ids=[run_id]) == []
    await store.close()


async def test_what_an_owner_refuses_is_told_with_its_reason(lab: Lab, tmp_path) -> None:
    lab.journal.does("one", gated(tmp_path / "gate", tmp_path / "counts", "a"), says("done"))
    driver, other = await lab.engine(), await lab.engine()
    run = await driver.submit("Go.", options=lab.options(), plan=Plan.parse(plan(step("one"))))
    await until_printed(driver, run.id, "waiting")
    with pytest.raises(CockpitError, match=r"refused: no step of run .* fits 'nothing'"):
        await other.redo(run.id, "nothing")
    await other.pause(run.id, now=True)
    await until(other, run.id, RunState.PAUSED)
    (tmp_path / "gate").touch()
    await other.resume(run.id)
    await until(other, run.id, RunState.COMPLETED)
    assert driver.fleet.owns(run.id)


def _start_of(pid: int) -> str:
    return str(started(pid) or "")
