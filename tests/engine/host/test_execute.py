"""The agents' code: how it ends, what it printed, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from engine.model.environment import private_directory
from engine.model.frames import Limits
from engine.worker.execute import CodeRun, execute
from tests.engine.host.entries import DAEMON
from tests.engine.host.helpers import alive, until

QUICK = Limits(grace=0.3)


async def python(workdir: Path, code: str, *, limits: Limits = QUICK, timeout: float = 60.0, **more: object) -> CodeRun:
    return await execute(
        [sys.executable, "-c", code],
        cwd=workdir,
        env=more.get("env", {}),
        limits=limits,
        timeout=timeout,
        on_output=more.get("on_output"),
    )


async def test_output_exit_code_and_time(workdir: Path) -> None:
    run = await python(workdir, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert (run.exit, run.signal, run.stdout, run.stderr) == (7, None, "out\n", "err\n")
    assert (run.stdout_bytes, run.stderr_bytes, run.truncated, run.timed_out) == (4, 4, False, False)
    assert 0 < run.seconds < 60


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
async def test_an_end_by_signal_is_named(workdir: Path, number: signal.Signals) -> None:
    run = await python(workdir, f"import os; os.kill(os.getpid(), {int(number)})")
    assert (run.exit, run.signal, run.timed_out) == (None, number.name, False)


async def test_bytes_that_are_no_text_are_replaced(workdir: Path) -> None:
    run = await python(workdir, r"import os; os.write(1, b'a\xff\xfeb\n')")
    assert run.stdout == "a\ufffd\ufffdb\n"
    assert run.stdout_bytes == 5


async def test_output_is_told_as_it_comes_whole_characters_only(workdir: Path) -> None:
    told: list[tuple[str, str]] = []
    code = r"""
import os, sys
os.write(1, 'ü'.encode()[:1]); sys.stdin.read(); os.write(1, 'ü'.encode()[1:]); os.write(2, b'err')
"""
    await python(workdir, code, on_output=lambda *what: told.append(what))
    assert "".join(text for stream, text in told if stream == "stdout") == "ü"
    assert ("stderr", "err") in told


async def test_a_hundred_megabytes_are_counted_and_not_kept(workdir: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    heard = 0

    def hear(stream: str, text: str) -> None:
        nonlocal heard
        heard += len(text)

    code = "import sys\nprint('first')\nfor _ in range(100): sys.stdout.write('x' * 1_000_000)\nprint('last')"
    run = await python(workdir, code, limits=Limits(output_bytes=1_000_000), on_output=hear)
    assert run.stdout_bytes == 100_000_011
    assert run.truncated
    assert run.stdout.startswith("first\nxxx")
    assert run.stdout.endswith("xxxlast\n")
    assert "99,000,011 bytes left out" in run.stdout
    assert len(run.stdout) < 1_000_100
    assert heard == 500_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB


async def test_its_environment_holds_no_secret_and_a_home_of_its_own(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "CMBAGENT_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hidden@proxy")
    monkeypatch.setenv("NO_PROXY", "localhost")
    run = await python(workdir, "import os, json; print(json.dumps(dict(os.environ)))", env={"SEED": "1"})
    environ = json.loads(run.stdout)
    assert "hidden" not in run.stdout
    assert [name for name in environ if name.startswith("CMBAGENT")] == ["CMBAGENT_ATTEMPT"]
    assert environ["PATH"] == os.environ["PATH"]
    assert (environ["MPLBACKEND"], environ["PYTHONUNBUFFERED"], environ["SEED"]) == ("Agg", "1", "1")
    assert environ["NO_PROXY"] == "localhost"
    assert int(environ["OMP_NUM_THREADS"]) >= 1
    for name in ("HOME", "TMPDIR"):
        assert Path(environ[name]).is_relative_to(private_directory(workdir))
    assert list(workdir.iterdir()) == []
    assert not Path(environ["TMPDIR"]).exists()


async def test_ceilings(workdir: Path) -> None:
    limits = Limits(memory_bytes=300_000_000, file_bytes=1_000_000)
    run = await python(workdir, "bytearray(1_000_000_000)", limits=limits)
    assert run.exit == 1
    assert "MemoryError" in run.stderr
    run = await python(workdir, "open('big', 'wb').write(b'x' * 2_000_000)", limits=limits)
    assert "File too large" in run.stderr
    run = await execute(
        ["sh", "-c", "cat /dev/zero > big"], cwd=workdir, env={}, limits=limits, timeout=60, on_output=None
    )
    assert run.exit == 128 + signal.SIGXFSZ
    assert (workdir / "big").stat().st_size == 1_000_000


async def test_a_pipe_that_is_closed_ends_a_program(workdir: Path) -> None:
    run = await execute(
        ["bash", "-c", "yes | head -1; echo ${PIPESTATUS[0]}"],
        cwd=workdir,
        env={},
        limits=QUICK,
        timeout=60,
        on_output=None,
    )
    assert run.stdout == f"y\n{128 + signal.SIGPIPE}\n"


@pytest.mark.parametrize(
    ("prelude", "name"), [("", "SIGTERM"), ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "SIGKILL")]
)
async def test_a_timeout_ends_the_whole_tree(workdir: Path, prelude: str, name: str) -> None:
    code = f"""
import os, signal, subprocess, sys, time
{prelude}
subprocess.Popen(["sleep", "600"], start_new_session=True)
subprocess.run([sys.executable, "-c", {DAEMON!r}, "daemon"])
print("born", flush=True)
time.sleep(600)
"""
    run = await python(workdir, code, timeout=2.0)
    assert (run.timed_out, run.signal, run.stdout) == (True, name, "born\n")
    assert not alive(int((workdir / "daemon").read_text()))


@pytest.mark.parametrize("times", [1, 3])
async def test_cancellation_ends_the_whole_tree(workdir: Path, times: int) -> None:
    born = asyncio.Event()
    code = f"""
import os, subprocess, sys, time
subprocess.run([sys.executable, "-c", {DAEMON!r}, "daemon"], env={{}})
while not os.path.exists("daemon") or not open("daemon").read(): pass
print("born", flush=True)
time.sleep(600)
"""
    task = asyncio.create_task(python(workdir, code, on_output=lambda *_: born.set()))
    await born.wait()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(int((workdir / "daemon").read_text()))


async def test_what_runs_on_in_the_background_is_ended_and_holds_nobody_up(workdir: Path) -> None:
    code = f"""
import subprocess, sys, os
one = subprocess.Popen(["sleep", "600"])
two = subprocess.Popen(["sleep", "600"], start_new_session=True, env={{}})
subprocess.run([sys.executable, "-c", {DAEMON!r}, "daemon"], env={{}})
while not os.path.exists("daemon") or not open("daemon").read(): pass
print(one.pid, two.pid, open("daemon").read())
"""
    run = await python(workdir, code, timeout=60)
    assert run.exit == 0
    pids = [int(pid) for pid in run.stdout.split()]
    assert len(pids) == 3
    assert not any(map(alive, pids))


async def test_two_at_once_do_not_end_each_other(workdir: Path) -> None:
    code = f"""
import subprocess, sys, os, time
subprocess.run([sys.executable, "-c", {DAEMON!r}, "daemon"])
while not os.path.exists("daemon") or not open("daemon").read(): pass
print("born", flush=True)
while not os.path.exists("go"): time.sleep(0.01)
os.kill(int(open("daemon").read()), 0)
"""
    born = asyncio.Event()
    slow = asyncio.create_task(python(workdir / "a", code, on_output=lambda *_: born.set()))
    await born.wait()
    assert (await python(workdir / "b", "pass")).exit == 0
    (workdir / "a" / "go").touch()
    assert (await slow).exit == 0


async def test_code_that_kills_its_guard(workdir: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); os.kill(os.getppid(), 9); time.sleep(600)"
    run = await python(workdir, code, timeout=60)
    assert run.signal == "SIGKILL"
    await until(lambda: not alive(int(run.stdout)))


async def test_code_that_deletes_its_directory(workdir: Path) -> None:
    code = "import os, shutil; shutil.rmtree(os.getcwd()); shutil.rmtree(os.environ['HOME'])"
    assert (await python(workdir, code)).exit == 0
    assert not workdir.exists()
    run = await python(workdir, "open('again', 'w').write(open(__import__('os').environ['HOME'] + '/x', 'w').name)")
    assert run.exit == 0
    assert (workdir / "again").exists()


async def test_what_cannot_be_started_is_an_os_error(workdir: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        await execute(["./no-such-program"], cwd=workdir, env={}, limits=QUICK, timeout=60, on_output=None)
    assert caught.value.filename == "./no-such-program"
    for argv, error in (
        ([str(workdir)], PermissionError),
        (["echo", "x" * 200_000], OSError),
        (["echo", "a\0b"], ValueError),
    ):
        with pytest.raises(error):
            await execute(argv, cwd=workdir, env={}, limits=QUICK, timeout=60, on_output=None)


async def test_stdin_is_empty_and_no_descriptor_of_ours_is_open(workdir: Path) -> None:
    run = await python(workdir, "import os, sys; print(repr(sys.stdin.read()), sorted(os.listdir('/proc/self/fd')))")
    assert run.stdout == "'' ['0', '1', '2', '3']\n"  # 3 is the listing itself
