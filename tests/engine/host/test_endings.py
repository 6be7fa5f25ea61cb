"""However a worker ends, nothing that it started stays alive."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.engine.host.helpers import (
    Launching,
    alive,
    launcher_of,
    offspring,
    run,
    spec_of,
    survivors,
    until_event,
    zygotes,
)

tagged = pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "untagged"])


@tagged
@pytest.mark.parametrize("after", ["sleep", "hang"])
async def test_stop_ends_children_sessions_and_daemons(
    launcher: Launching, workdir: Path, after: str, tagged: bool
) -> None:
    worker = await launcher.start(spec_of(workdir, "beget", after=after, tagged=tagged))
    await until_event(worker, "born")
    assert survivors(workdir) == ["plain", "apart", "daemon"]
    await worker.stop(0.2 if after == "hang" else 5.0)
    assert survivors(workdir) == []
    ended = await worker.wait()
    assert ended.signal == ("SIGKILL" if after == "hang" else "SIGTERM")


async def test_stop_lets_the_worker_clean_up(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "sleep"))
    await anext(aiter(worker.frames()))
    await worker.stop(5.0)
    assert (workdir / "cleaned up").exists()


@tagged
async def test_a_normal_end_leaves_nothing(launcher: Launching, workdir: Path, tagged: bool) -> None:
    worker = await launcher.start(spec_of(workdir, "beget", tagged=tagged))
    _, ended = await run(worker)
    assert ended.code == 0
    assert survivors(workdir) == []


@tagged
async def test_a_killed_worker_leaves_nothing(launcher: Launching, workdir: Path, tagged: bool) -> None:
    worker = await launcher.start(spec_of(workdir, "beget", after="die", signal=int(signal.SIGKILL), tagged=tagged))
    _, ended = await run(worker)
    assert ended.signal == "SIGKILL"
    assert survivors(workdir) == []


async def test_a_killed_warm_parent_leaves_nothing(warm: Launching, workdir: Path) -> None:
    worker = await warm.start(spec_of(workdir, "beget", after="hang"))
    await until_event(worker, "born")
    zygotes()[0].kill()
    await worker.wait()
    assert not alive(worker.pid)
    assert survivors(workdir) == []


async def test_a_killed_watch_over_a_cold_worker_leaves_nothing(workdir: Path) -> None:
    launcher = launcher_of("cold")
    worker = await launcher.start(spec_of(workdir, "beget", after="hang"))
    await until_event(worker, "born")
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    assert survivors(workdir) == []


async def test_stopping_is_idempotent_and_may_be_asked_by_many(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "beget", after="sleep"))
    await until_event(worker, "born")
    await asyncio.gather(*(worker.stop(5.0) for _ in range(3)), worker.wait())
    await worker.stop()
    assert (await worker.wait()).signal == "SIGTERM"
    assert not [pid for pid in offspring(workdir).values() if alive(pid)]


async def test_a_worker_that_closes_its_side_and_stays_is_ended(
    warm: Launching, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.host.handle._LINGER", 0.2)
    worker = await warm.start(spec_of(workdir, "shut"))
    frames = [frame.type async for frame in worker.frames()]
    assert frames == ["hello"]
    assert not alive(worker.pid)


async def test_one_worker_s_end_does_not_touch_another(launcher: Launching, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    doomed = await launcher.start(spec_of(first, "beget", after="hang"))
    other = await launcher.start(spec_of(second, "beget", after="sleep"))
    await until_event(doomed, "born")
    await until_event(other, "born")
    await doomed.stop(0.1)
    assert survivors(first) == []
    assert survivors(second) == ["plain", "apart", "daemon"]
