"""A run that only waits for a person needs no process: it is woken by whoever answers, from wherever that is."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.cockpit import PATIENCE, Cockpit
from tests.support.journals import Journal, code, says, step
from tests.support.openai_server import Held, Move, OpenAIServer, text
from tests.support.processes import wait_until_gone

PATIENT = {"CMBAGENT_SUSPEND_AFTER": "600"}


def planned(folder: Path) -> Journal:
    journal = Journal(folder / "story.jsonl").plans(step("fit"), title="Plan of one")
    return journal.does("fit", code("print('fitted')"), says("It is done."))


@contextmanager
def detached(cockpit: Cockpit, *then: Move) -> Iterator[tuple[OpenAIServer, threading.Event, str]]:
    """A run that no terminal shows, and whose model is silent until the gate opens: its server, the gate, its id."""
    with OpenAIServer() as server:
        gate = threading.Event()
        server.answer(Held(text("It is said."), gate), *then, role="engineer")
        cockpit.environ |= {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url}
        command = ("run", "Say it.", "--mode", "one-shot", "--model", "openai:test-model", "--detach", "--json")
        yield server, gate, cockpit.say(*command).json["run_id"]


def until_asked(cockpit: Cockpit) -> dict[str, str]:
    """Wait until a person is asked; return the approval."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := cockpit.say("approvals", "--json").json["approvals"]:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("nobody was asked")


def test_a_process_that_only_waits_ends_and_approving_wakes_its_run(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.home.mkdir()
    (cockpit.home / "config.toml").write_text("suspend_after = 0.1\n")
    run_id = cockpit.say("run", "Fit.", "--detach", "--json", "--model", planned(tmp_path).model).json["run_id"]
    approval = until_asked(cockpit)
    wait_until_gone(str(cockpit.home))
    assert cockpit.say("show", run_id, "--json").json["state"] == "waiting_approval"
    settled = cockpit.say("approve", approval["approval_id"], "--json")
    assert (settled.code, settled.json["state"]) == (0, "approved")
    assert f"cmbagent-tui attach {run_id[-8:]}" in settled.err
    run = cockpit.when_over(run_id)
    assert run["state"] == "completed"
    wait_until_gone(str(cockpit.home))
    assert cockpit.say("db", "check").code == 0


def test_a_process_that_waits_hears_the_answer_itself(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.environ |= PATIENT
    run_id = cockpit.say("run", "Fit.", "--detach", "--json", "--model", planned(tmp_path).model).json["run_id"]
    approval = until_asked(cockpit)
    settled = cockpit.say("approve", approval["approval_id"])
    assert settled.code == 0
    assert "without this terminal" not in settled.err, "nobody had to be started"
    assert cockpit.when_over(run_id)["state"] == "completed"
    wait_until_gone(str(cockpit.home))


@pytest.mark.parametrize("how", ["command", "key"])
def test_the_line_drops_while_a_person_is_asked(cockpit: Cockpit, tmp_path: Path, how: str) -> None:
    environ = {"CMBAGENT_SUSPEND_AFTER": "0.1"}
    with cockpit.terminal("run", "Fit.", "--model", planned(tmp_path).model, environ=environ) as terminal:
        terminal.until("Plan of one")
        terminal.hang_up()
        assert terminal.wait() == 0
    wait_until_gone(str(cockpit.home))
    approval = until_asked(cockpit)
    if how == "command":
        assert cockpit.say("approve", approval["run_id"]).code == 0
    with cockpit.terminal("attach", approval["run_id"], columns=120, rows=40) as second:
        if how == "key":
            second.until("Shall this run?")
            second.screen_settles()
            second.keys("a")
        second.until("Completed in", "It is done.")
        second.keys("q")
        assert second.wait() == 0


def test_without_a_terminal_resume_leaves_the_run_to_a_process_of_its_own(cockpit: Cockpit, tmp_path: Path) -> None:
    run = cockpit.say("run", "Fit.", "--headless", "--json", "--model", planned(tmp_path).model).json
    assert cockpit.say("pause", run["run_id"], "--json").json["state"] == "paused"
    said = cockpit.say("resume", run["run_id"], "--json", **PATIENT)
    assert said.code == 0, said.err
    assert said.json["run_id"] == run["run_id"]
    assert "without this terminal" in said.err
    assert cockpit.say("approve", run["run_id"]).code == 0
    assert cockpit.when_over(run["run_id"])["state"] == "completed"
    assert "completed" in Path(said.json["log"]).read_text()
    over = cockpit.say("resume", run["run_id"])
    assert over.code == 2
    assert "nothing to resume" in over.err


def test_headless_it_waits_for_a_run_that_another_process_drives(cockpit: Cockpit, tmp_path: Path) -> None:
    with detached(cockpit) as (server, gate, run_id):
        going = cockpit.start("resume", run_id, "--headless", "--json")
        while "running" not in going.stderr.readline():  # type: ignore[union-attr]
            pass
        gate.set()
        out, err = going.communicate(timeout=PATIENCE)
        assert going.returncode == 0, err
        assert '"state": "completed"' in out
        assert server.count == 1


def test_pause_waits_until_the_run_is_paused_and_says_for_what(cockpit: Cockpit) -> None:
    with detached(cockpit, text("It is said.")) as (server, gate, run_id):
        until(lambda: server.count == 1)
        pausing = cockpit.start("pause", run_id)
        said = pausing.stderr.readline()  # type: ignore[union-attr]
        assert "what runs in task" in said
        assert "--now" in said
        pausing.send_signal(signal.SIGINT)
        _, err = pausing.communicate(timeout=PATIENCE)
        assert pausing.returncode == 130
        assert "stays pausing" in err
        assert cockpit.say("show", run_id, "--json").json["state"] == "executing"

        now = cockpit.say("pause", run_id, "--now", "--json")
        assert (now.code, now.json["state"]) == (0, "paused")
        gate.set()
        assert cockpit.say("resume", run_id).code == 0
        assert cockpit.when_over(run_id)["state"] == "completed"
        assert server.count == 2, "the call that was in flight is made again"


def test_resume_finds_another_way_when_who_drives_the_run_goes_instead_of_answering(cockpit: Cockpit) -> None:
    with detached(cockpit, text("It is said.")) as (server, gate, run_id):
        until(lambda: server.count == 1)
        with closing(sqlite3.connect(cockpit.home / "cmbagent.db")) as database:
            owner = "SELECT pid FROM clients JOIN runs ON clients.id = owner_id"
            (driver,) = database.execute(owner).fetchone()
            os.kill(driver, signal.SIGSTOP)
            resuming = cockpit.start("resume", run_id)
            asked = "SELECT state FROM commands WHERE verb = 'resume'"
            until(lambda: database.execute(asked).fetchone() == ("pending",))
        os.kill(driver, signal.SIGKILL)
        gate.set()
        _, err = resuming.communicate(timeout=PATIENCE)
        assert resuming.returncode == 0, err
        assert "goes on without this terminal" in err
        assert cockpit.when_over(run_id)["state"] == "completed"


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_wrong_time_to_wait_is_refused(cockpit: Cockpit) -> None:
    said = cockpit.say("runs", CMBAGENT_SUSPEND_AFTER="soon")
    assert said.code == 2
    assert "CMBAGENT_SUSPEND_AFTER" in said.err
