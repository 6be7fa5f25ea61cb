"""The log: small, without secrets, and safe for a terminal; and the watchdog that writes into it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from cmbagent_tui import log as log_module
from cmbagent_tui.cli import main
from cmbagent_tui.log import Log, tail
from cmbagent_tui.watchdog import Watchdog, wanted

SECRET = "very-secret-value"


def written(tmp_path: Path, *texts: str) -> str:
    log = Log(tmp_path / "logs" / "cockpit.log", {"OPENAI_API_KEY": SECRET, "PASSWORD": "abc", "HOME": "/home/ada"})
    for text in texts:
        log.write("error", text)
    log.close()
    return log.file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", [f"refused: {SECRET}", "sk-proj-0123456789abcdef", "Bearer abcdefgh12345678", "https://ada:pw@host/v1"]
)
def test_no_secret_gets_in(tmp_path: Path, text: str) -> None:
    said = written(tmp_path, text)
    assert "[redacted]" in said
    for secret in (SECRET, "0123456789abcdef", "abcdefgh12345678", "ada:pw"):
        assert secret not in said


def test_what_a_terminal_would_obey_is_left_out_and_further_lines_are_set_in(tmp_path: Path) -> None:
    said = written(tmp_path, "one\x1b[2J\ntwo\u202e", "three /home/ada abc")
    lines = said.splitlines()
    assert lines[0].endswith(" error one") and lines[1] == "    two" and lines[2].endswith("three /home/ada abc")


def test_an_error_is_kept_with_where_it_came_from(tmp_path: Path) -> None:
    log = Log(tmp_path / "cockpit.log", {})
    try:
        raise ValueError("of no use")
    except ValueError as error:
        log.error(error)
    log.close()
    lines = tail(log.file)
    assert "ValueError('of no use')" in lines[0] and any("test_log.py" in line for line in lines[1:])
    assert all(line.startswith("    ") for line in lines[1:])


def test_the_file_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MOST", 2000)
    written(tmp_path, *("x" * 500 for _ in range(40)))
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "logs").glob("*.log")}
    assert set(sizes) == {"cockpit.log", "cockpit.1.log", "cockpit.2.log"} and max(sizes.values()) < 3000


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    log = Log(tmp_path / "logs" / "cockpit.log", {})
    log.write("info", "lost")
    log.close()
    assert tail(log.file) == []


def test_the_log_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CMBAGENT_HOME", str(tmp_path))
    written(tmp_path, "first", "second")
    assert main(["log", "--limit", "1"]) == 0
    assert capsys.readouterr().out.endswith("error second\n")


async def test_the_watchdog_names_what_held_the_loop_up(tmp_path: Path) -> None:
    log = Log(tmp_path / "cockpit.log", {})
    watchdog = Watchdog(asyncio.get_running_loop(), log)

    def dawdle() -> None:
        time.sleep(0.3)

    await asyncio.sleep(0.05)
    dawdle()
    await asyncio.sleep(0.1)
    watchdog.close()
    log.close()
    said = log.file.read_text()
    assert "the loop was held up for" in said and "in dawdle" in said


def test_the_watchdog_is_on_when_it_is_asked_for() -> None:
    assert wanted({"CMBAGENT_WATCHDOG": "1"}) and wanted({"TEXTUAL": "devtools,debug"})
    assert not wanted({}) and not wanted({"CMBAGENT_WATCHDOG": "0"})
