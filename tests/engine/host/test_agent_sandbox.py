"""AG2's own tools over our sandbox: the defects of its local one do not come back."""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePosixPath

import pytest
from ag2.tools.sandbox import CodeAdapter, Sandbox

from engine.model.errors import UsageError
from engine.model.frames import Limits
from engine.worker.sandbox import AgentSandbox, LimitsOnly, sandbox_of
from tests.engine.host.entries import DAEMON
from tests.engine.host.helpers import alive


@pytest.fixture
def sandbox(workdir: Path) -> AgentSandbox:
    return AgentSandbox(workdir, LimitsOnly(), Limits(grace=0.2, output_bytes=100_000))


async def test_it_is_what_ag2_takes_for_a_sandbox(sandbox: AgentSandbox, workdir: Path) -> None:
    assert isinstance(sandbox, Sandbox)
    adapter = CodeAdapter(sandbox)
    result = await adapter.run("import os; print(os.getcwd())", "python")
    assert (result.output, result.exit_code) == (str(workdir), 0)
    assert (await adapter.run("exit 3", "bash")).exit_code == 3


async def test_no_secret_is_passed_on(sandbox: AgentSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    result = await sandbox.exec(["env"], env={"SEED": "1"})
    assert "sk-hidden" not in result.output
    assert "SEED=1" in result.output


async def test_a_timeout_ends_grandchildren_too(sandbox: AgentSandbox, workdir: Path) -> None:
    result = await sandbox.exec(["python", "-c", f"import time\nif 1:\n  exec({DAEMON!r})", "daemon"], timeout=0.0001)
    assert result.exit_code == 124
    assert "it took too long" in result.output
    script = f"python -c '{DAEMON}' daemon; while ! test -s daemon; do :; done; setsid sleep 600"
    assert (await sandbox.exec(["sh", "-c", script], timeout=2.0)).exit_code == 124
    assert not alive(int((workdir / "daemon").read_text()))


async def test_a_cancelled_call_ends_its_command(sandbox: AgentSandbox, workdir: Path) -> None:
    task = asyncio.create_task(sandbox.exec(["sh", "-c", "echo $$ > pid; sleep 600"]))
    while not (workdir / "pid").exists() or not (workdir / "pid").read_text():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(int((workdir / "pid").read_text()))


async def test_bytes_that_are_no_text_and_escapes(sandbox: AgentSandbox) -> None:
    result = await sandbox.exec(["printf", r"\377\033[31mred"])
    assert (result.output, result.exit_code) == ("\ufffdred", 0)


async def test_long_output_is_cut(sandbox: AgentSandbox) -> None:
    result = await sandbox.exec(["sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x"])
    assert "49,900,000 bytes left out" in result.output
    assert len(result.output) < 101_000


async def test_commands_that_cannot_run(sandbox: AgentSandbox) -> None:
    assert (await sandbox.exec(["no-such-program"])).exit_code == 127
    assert (await sandbox.exec(["/"])).exit_code == 126
    assert "SIGKILL" in (await sandbox.exec(["sh", "-c", "kill -9 $$"])).output


async def test_files_stay_inside(sandbox: AgentSandbox, workdir: Path, tmp_path: Path) -> None:
    await sandbox.put_file(PurePosixPath("sub/a.py"), b"print(1)")
    assert (workdir / "sub" / "a.py").read_bytes() == b"print(1)"
    await sandbox.remove_file(PurePosixPath("sub/a.py"))
    await sandbox.remove_file(PurePosixPath("sub/a.py"))
    assert not (workdir / "sub" / "a.py").exists()
    (workdir / "out").symlink_to(tmp_path)
    for path in ("../x", "/etc/x", "out/x", "..", "."):
        with pytest.raises(ValueError, match="leads out of"):
            await sandbox.put_file(PurePosixPath(path), b"x")
    (tmp_path / "victim").write_text("mine")
    (workdir / "link").symlink_to(tmp_path / "victim")
    await sandbox.put_file(PurePosixPath("link"), b"theirs")
    assert (tmp_path / "victim").read_text() == "mine"
    assert list((workdir / "sub").iterdir()) == []


def test_an_unknown_tier_is_refused() -> None:
    assert sandbox_of("limits").tier == "limits"
    with pytest.raises(UsageError, match="no sandbox tier 'fortress'"):
        sandbox_of("fortress")
