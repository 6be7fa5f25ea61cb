"""The engine's process dies, in every way; nothing that it started outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.host import kill_tagged
from engine.model.environment import worker_tag
from engine.model.ids import new_id
from tests.engine.host.helpers import ENVIRON, ROOT, alive, offspring, survivors, until


def host(kind: str, workdir: Path, do: str, **told: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.host.hosting", kind, str(workdir), do, json.dumps(told)],
        cwd=ROOT,
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("kind", ["warm", "cold"])
@pytest.mark.parametrize("after", ["sleep", "hang"])
@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "untagged"])
async def test_kill_9_of_the_engine(workdir: Path, kind: str, after: str, tagged: bool) -> None:
    with host(kind, workdir, "beget", after=after, tagged=tagged) as process:
        pids = first_line(process)
        assert survivors(workdir) == ["plain", "apart", "daemon"]
        process.kill()
        await until(lambda: not survivors(workdir))
        await until(lambda: not alive(pids["worker"]))
        await until(lambda: not any(map(alive, pids["zygotes"])))


async def test_kill_9_of_the_engine_and_of_the_warm_parent_at_once(workdir: Path) -> None:
    with host("warm", workdir, "beget", after="hang") as process:
        pids = first_line(process)
        for pid in pids["zygotes"]:
            os.kill(pid, signal.SIGSTOP)  # neither sees the other go
        process.kill()
        for pid in pids["zygotes"]:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not alive(pids["worker"]))
        # What made a session of its own, or was forked twice, has nobody left who knows it but by its tag.
        attempt = next(
            entry.partition(b"=")[2].decode()
            for entry in Path(f"/proc/{offspring(workdir)['daemon']}/environ").read_bytes().split(b"\0")
            if entry.startswith(b"CMBAGENT_ATTEMPT=")
        )
        assert kill_tagged(["another-attempt"]) == []
        assert set(kill_tagged([attempt])) <= set(offspring(workdir).values())
        await until(lambda: not survivors(workdir))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_other_signals_to_the_engine_s_group(workdir: Path, number: signal.Signals) -> None:
    with host("warm", workdir, "beget", after="sleep") as process:
        pids = first_line(process)
        process.send_signal(number)
        await until(lambda: not survivors(workdir))
        await until(lambda: not alive(pids["worker"]))


@pytest.mark.parametrize("kind", ["warm", "cold"])
async def test_the_terminal_stays_clean(workdir: Path, kind: str) -> None:
    with host(kind, workdir, "print", mb=1) as process:
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [*json.loads(said)] == ["host", "worker", "zygotes"]
    assert errors == ""


async def test_who_ends_one_worker_of_an_attempt_leaves_the_one_that_carries_it_on_alone() -> None:
    attempt = new_id()
    first, second = worker_tag(attempt), worker_tag(attempt)
    sleepers = [
        subprocess.Popen(["sleep", "60"], env={"CMBAGENT_ATTEMPT": tag}) for tag in (first, f"{first}/1", second)
    ]
    assert sorted(kill_tagged([first])) == sorted(one.pid for one in sleepers[:2])
    assert sleepers[2].poll() is None
    assert kill_tagged([attempt]) == [sleepers[2].pid]
    for one in sleepers:
        one.wait()
