"""A worker starts, works, tells, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from pathlib import Path

import psutil
import pytest

from engine.host import CommandLauncher, ZygoteLauncher
from engine.host.stray import KEPT
from engine.model.errors import WorkerError
from engine.model.frames import Ack, DeltaFrame, EventFrame, Hello, JournalFrame, Limits
from tests.engine.host.helpers import (
    ENTRY,
    ENVIRON,
    KEY,
    Launching,
    alive,
    result_of,
    run,
    spec_of,
    until,
    until_event,
    zygotes,
)


async def test_a_worker_says_hello_reports_a_result_and_ends(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "nothing"))
    frames, ended = await run(worker)
    assert isinstance(frames[0], Hello)
    assert result_of(frames).ok
    assert (ended.code, ended.signal, ended.stray) == (0, None, "")
    assert not alive(frames[0].pid)


async def test_sixteen_at_once_each_does_its_own(warm: Launching, workdir: Path) -> None:
    async def one(number: int) -> list[str]:
        worker = await warm.start(spec_of(workdir, "talk", events=number))
        return [frame.title for frame in (await run(worker))[0] if isinstance(frame, EventFrame)]

    said = await asyncio.gather(*(one(number) for number in range(16)))
    assert said == [[str(event) for event in range(number)] for number in range(16)]


async def test_a_worker_has_its_own_session_limits_randomness_and_no_secrets(
    launcher: Launching, workdir: Path
) -> None:
    told: list[dict[str, object]] = []
    for _ in range(2):
        spec = spec_of(workdir, "tell", limits=Limits(file_bytes=12345))
        worker = await launcher.start(spec)
        frame = await until_event(worker, "told")
        assert isinstance(frame, EventFrame)
        told.append(frame.data)
        environ = frame.data["environ"]
        assert KEY not in json.dumps(environ)
        assert [name for name in environ if "CMBAGENT" in name] == ["CMBAGENT_ATTEMPT"]
        assert environ["CMBAGENT_ATTEMPT"].startswith(f"{spec.attempt_id}.")
        assert environ["PATH"] == os.environ["PATH"]
    assert all(one["session"] for one in told)
    assert told[0]["limits"] == {"CORE": [0, 0], "FSIZE": [12345, 12345]}
    assert told[0]["random"] != told[1]["random"]


async def test_a_refused_promise_stops_the_worker(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "promise"))
    seen: list[str] = []
    async for frame in worker.frames():
        seen.append(frame.type if not isinstance(frame, DeltaFrame) else frame.text)
        if isinstance(frame, JournalFrame):
            await worker.send(Ack(n=frame.n, error="the disk is full" if frame.sequence == 2 else None))
    ended = await worker.wait()
    assert seen == ["hello", "journal", "durable 0", "journal"]
    assert ended.code not in (0, None)
    assert "the disk is full" in ended.stray


async def test_what_is_printed_is_kept_apart_clean_and_bounded(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "print", mb=5))
    frames, ended = await run(worker)
    assert [frame.type for frame in frames] == ["hello", "result"]
    for text in ("from the worker", "red", "raw", "from a child", "from its stderr", "bytes left out"):
        assert text in ended.stray
    assert "\x1b" not in ended.stray
    assert "\x07" not in ended.stray
    assert len(ended.stray) <= KEPT + 200


async def test_nothing_is_printed_by_the_engine_itself(
    launcher: Launching, workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await run(await launcher.start(spec_of(workdir, "print")))
    assert capfd.readouterr() == ("", "")


async def test_a_defect_becomes_a_failure_in_one_line(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "raise", what=f"two\nlines\x1b[31m and {KEY}"))
    frames, ended = await run(worker)
    failure = result_of(frames).failure
    assert failure is not None
    assert failure.message == "the worker's own program failed: ValueError: two lines and [redacted]"
    assert failure.hint
    assert "Traceback" in ended.stray
    assert KEY not in ended.stray


@pytest.mark.parametrize(
    ("told", "code", "name"),
    [
        ({"do": "exit", "code": 3}, 3, None),
        ({"do": "die", "signal": signal.SIGSEGV}, None, "SIGSEGV"),
        ({"do": "die", "signal": signal.SIGKILL}, None, "SIGKILL"),
        ({"do": "die", "signal": signal.SIGABRT}, None, "SIGABRT"),
    ],
)
async def test_how_it_ended(
    launcher: Launching, workdir: Path, told: dict[str, object], code: int | None, name: str | None
) -> None:
    worker = await launcher.start(spec_of(workdir, **told))
    frames, ended = await run(worker)
    assert [frame.type for frame in frames] == ["hello"]
    assert (ended.code, ended.signal) == (code, name)


async def test_a_flood_reaches_a_slow_reader_whole_and_in_order(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "talk", events=2000, size=10_000))
    titles: list[str] = []
    async for frame in worker.frames():
        if isinstance(frame, EventFrame):
            titles.append(frame.title)
            if len(titles) % 500 == 0:
                await asyncio.sleep(0.02)
        elif frame.type == "result":
            await worker.send(Ack(n=frame.n))
    assert titles == [str(number) for number in range(2000)]


async def test_frames_can_be_read_after_the_worker_is_gone(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "talk", events=3, leave=True))
    await worker.wait()
    assert [frame.type async for frame in worker.frames()] == ["hello", "event", "event", "event"]


async def test_a_task_of_a_megabyte_arrives(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "nothing", filler="ü" * 1_000_000))
    assert result_of((await run(worker))[0]).ok


async def test_ceilings_hold_in_the_worker(launcher: Launching, workdir: Path) -> None:
    limits = Limits(memory_bytes=200_000_000, file_bytes=1_000_000)
    eater = await launcher.start(spec_of(workdir, "eat", bytes=2_000_000_000, limits=limits))
    failure = result_of((await run(eater))[0]).failure
    assert failure is not None
    assert "MemoryError" in failure.message
    writer = await launcher.start(spec_of(workdir, "write", bytes=2_000_000, limits=limits))
    failure = result_of((await run(writer))[0]).failure
    assert failure is not None
    assert "File too large" in failure.message


async def test_a_dead_warm_parent_is_replaced(warm: Launching, workdir: Path) -> None:
    worker = await warm.start(spec_of(workdir, "sleep"))
    (parent,) = zygotes()
    parent.kill()
    ended = await worker.wait()
    assert (ended.code, ended.signal) == (None, None), "nobody saw it end"
    assert not alive(worker.pid)
    frames, ended = await run(await warm.start(spec_of(workdir, "nothing")))
    assert result_of(frames).ok


async def test_a_warm_parent_that_dies_while_it_is_asked_is_replaced(warm: Launching, workdir: Path) -> None:
    await run(await warm.start(spec_of(workdir, "nothing")))
    (parent,) = zygotes()
    parent.suspend()
    starting = asyncio.create_task(warm.start(spec_of(workdir, "nothing")))
    await asyncio.sleep(0)
    parent.kill()
    frames, _ = await run(await starting)
    assert result_of(frames).ok


async def test_the_warm_parent_has_one_thread_and_no_secret(warm: Launching, workdir: Path) -> None:
    await run(await warm.start(spec_of(workdir, "nothing")))
    (parent,) = zygotes()
    assert parent.num_threads() == 1
    assert KEY not in json.dumps(parent.environ())
    assert not [name for name in parent.environ() if name.startswith("CMBAGENT")]


async def test_closing_ends_everything(launcher: Launching, workdir: Path) -> None:
    workers = [await launcher.start(spec_of(workdir, "sleep")) for _ in range(3)]
    greeted = [await anext(aiter(worker.frames())) for worker in workers]
    await launcher.close()
    assert not [frame for frame in greeted if isinstance(frame, Hello) and alive(frame.pid)]
    assert not zygotes()


async def test_a_cancelled_start_leaves_no_worker(warm: Launching, workdir: Path) -> None:
    await run(await warm.start(spec_of(workdir, "nothing")))
    starting = asyncio.create_task(warm.start(spec_of(workdir, "sleep")))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    (parent,) = zygotes()
    await run(await warm.start(spec_of(workdir, "nothing")))  # by then the other has been forked
    await until(lambda: not parent.children())


async def test_a_program_that_does_not_exist_is_named(workdir: Path) -> None:
    launcher = CommandLauncher(["no-such-srun", "-n1"], environ=ENVIRON, entry=ENTRY)
    with pytest.raises(WorkerError, match=r"no-such-srun: No such file or directory\nIs it installed"):
        await launcher.start(spec_of(workdir, "nothing"))


async def test_an_import_that_fails_is_named(workdir: Path) -> None:
    launcher = ZygoteLauncher(environ=ENVIRON, entry="no_such_module:run")
    for _ in range(2):
        with pytest.raises(WorkerError, match="No module named 'no_such_module'"):
            await launcher.start(spec_of(workdir, "nothing"))
    await launcher.close()


async def test_a_cold_worker_whose_command_fails_says_so(workdir: Path) -> None:
    launcher = CommandLauncher(["sh", "-c", "echo no such partition >&2; exit 5", "srun"], environ=ENVIRON)
    worker = await launcher.start(spec_of(workdir, "nothing"))
    frames, ended = await run(worker)
    assert (frames, ended.code, ended.stray) == ([], 5, "no such partition")


async def test_a_worker_behind_a_prefix(workdir: Path) -> None:
    launcher = CommandLauncher(["sh", "-c", '"$@"; exit $?', "somewhere"], environ=ENVIRON, entry=ENTRY)
    worker = await launcher.start(spec_of(workdir, "nothing"))
    frames, ended = await run(worker)
    assert result_of(frames).ok
    assert ended.code == 0
    worker = await launcher.start(spec_of(workdir, "hang"))
    hello = await anext(aiter(worker.frames()))
    assert isinstance(hello, Hello)
    await worker.stop(0.1)
    assert not alive(hello.pid)


async def test_too_many_open_files_is_said_and_passes(warm: Launching, workdir: Path) -> None:
    await run(await warm.start(spec_of(workdir, "nothing")))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for room in range(1, 9):
        resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + room, hard))
        try:
            worker = await warm.start(spec_of(workdir, "nothing"))
        except WorkerError as error:
            assert "Too many open files" in error.cause
        else:
            assert result_of((await run(worker))[0]).ok
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert result_of((await run(await warm.start(spec_of(workdir, "nothing"))))[0]).ok


async def test_no_descriptor_is_left_open(launcher: Launching, workdir: Path) -> None:
    await run(await launcher.start(spec_of(workdir, "nothing")))
    await asyncio.sleep(0)
    before = psutil.Process().num_fds()
    for do in ("nothing", "print", "exit"):
        await run(await launcher.start(spec_of(workdir, do, code=1)))
    await until(lambda: psutil.Process().num_fds() <= before)
