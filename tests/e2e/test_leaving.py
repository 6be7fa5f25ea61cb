"""Quitting, stopping and being killed: what the shell gets back, and what becomes of the work."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.support.cockpit import PATIENCE, Cockpit, Terminal
from tests.support.openai_server import Held, OpenAIServer, call, text
from tests.support.processes import family, wait_until_gone

RUN = "cmbagent-tui run Count. --mode one-shot\r"
DIRECT = ("run", "Count.", "--mode", "one-shot")
MOUSE = (1000, 1003, 1006)
KEPT = "nothing that was recorded is lost"


def environ_of(server: OpenAIServer) -> dict[str, str]:
    return {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url, "CMBAGENT_MODEL": "openai:test-model"}


def held(server: OpenAIServer) -> threading.Event:
    """Queue a step of two calls, of which the second is in flight until the event is set."""
    gate = threading.Event()
    server.answer(
        call("run_code", filename="one.py", code="print(1)", explanation="counts"),
        Held(text("It is counted."), gate),
        role="engineer",
    )
    return gate


def until_asked(server: OpenAIServer, calls: int, terminal: Terminal) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.count < calls:
        assert time.monotonic() < deadline, f"{server.count} calls were made"
        terminal.screen_settles(0.1)


def until_dead(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while living := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"{living} live on"
        time.sleep(0.02)


def the_run(cockpit: Cockpit) -> dict[str, object]:
    (run,) = cockpit.say("runs", "--json").json["runs"]
    return cockpit.say("show", run["run_id"], "--json").json


def test_left_running_it_gives_the_prompt_back_and_loses_no_call(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        gate = held(server)
        with cockpit.shell(**environ_of(server)) as shell:
            shell.keys(RUN)
            until_asked(server, 2, shell)
            shell.keys("q")
            shell.until("Quit?", KEPT)
            shell.keys("l")
            shell.until("goes on in the background: `cmbagent-tui attach")
            shell.keys("echo code=$?\r")
            shell.until("code=0")
            assert not any(shell.modes[one] for one in (1049, *MOUSE))
            assert shell.modes[25]
        run = the_run(cockpit)
        assert run["state"] == "executing"
        with cockpit.terminal("attach", str(run["run_id"]), columns=120, rows=40) as second:
            second.until("executing", "task")
            gate.set()
            second.until("Completed in", "It is counted.")
            second.keys("q")
            assert second.wait() == 0
        wait_until_gone(str(cockpit.home))
        assert server.count == 2, "as many as an undisturbed run makes"
    assert cockpit.say("db", "check").code == 0


def test_stopped_it_is_paused_and_goes_on_later(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        gate = held(server)
        with cockpit.shell(**environ_of(server)) as shell:
            shell.keys(RUN)
            until_asked(server, 2, shell)
            shell.keys("q")
            shell.until("Quit?", KEPT)
            shell.keys("s")
            shell.until("is paused", "cmbagent-tui resume")
            shell.keys("echo code=$?\r")
            shell.until("code=0")
            run = the_run(cockpit)
            assert run["state"] == "paused"
            gate.set()
            server.answer(text("It is counted again."), role="engineer")
            shell.keys(f"clear; cmbagent-tui resume {run['run_id']}\r")
            shell.until("Completed in", "It is counted again.")
            shell.keys("q")
            shell.until("$")
        assert server.count == 3, "the call that was in flight is made again, and no other"


def test_it_stops_and_goes_on_as_any_job_of_a_shell(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        gate = held(server)
        with cockpit.shell(**environ_of(server)) as shell:
            shell.keys(RUN)
            until_asked(server, 2, shell)
            shell.until("executing")
            for _ in range(2):
                shell.keys("ctrl+z")
                shell.until("Stopped")
                assert not any(shell.modes[one] for one in (1049, *MOUSE))
                shell.keys("echo still $((40 + 2))\r")
                shell.until("still 42")
                shell.keys("clear; fg\r")
                shell.until("executing", "1 Steps")
            gate.set()
            shell.until("Completed in")
            shell.keys("q")
            shell.until("$")
        assert server.count == 2


def test_without_a_shell_to_go_back_to_it_does_not_stop(cockpit: Cockpit) -> None:
    with cockpit.terminal() as terminal:
        terminal.until("Press d")
        terminal.keys("ctrl+z")
        while terminal.raw.count(b"\x1b[?1049h") < 2:  # it left the screen, and is back on it
            terminal.screen_settles(0.1)
        terminal.keys("n")
        terminal.until("What is to be found out?")
        terminal.keys("escape")
        terminal.until_gone("What is to be found out?")
        terminal.keys("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize("victim", ["front", "group"])
def test_a_killed_front_leaves_nobody_behind(cockpit: Cockpit, victim: str) -> None:
    with OpenAIServer() as server:
        held(server)
        with cockpit.shell(**environ_of(server)) as shell:
            shell.keys(RUN)
            until_asked(server, 2, shell)
            pids = family(shell.pid)[1:]
            assert len(pids) > 3, "the front, the cockpit, the warm parent and its worker"
            os.kill(pids[0], signal.SIGKILL) if victim == "front" else os.killpg(pids[0], signal.SIGKILL)
            until_dead(pids)
        assert the_run(cockpit)["state"] == "executing", "as after any crash: whoever comes next takes it over"


def test_a_killed_front_that_had_the_terminal_alone_leaves_nobody_behind(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        held(server)
        with cockpit.terminal(*DIRECT, environ=environ_of(server)) as terminal:
            until_asked(server, 2, terminal)
            os.kill(terminal.pid, signal.SIGKILL)
            terminal.wait()
            wait_until_gone(str(cockpit.home))


def test_a_killed_cockpit_leaves_the_terminal_sane(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        held(server)
        with cockpit.shell(**environ_of(server)) as shell:
            shell.keys(RUN)
            until_asked(server, 2, shell)
            shell.until("executing")
            os.kill(family(shell.pid)[2], signal.SIGKILL)
            shell.until("was ended by SIGKILL", "What was recorded is kept")
            shell.keys("echo code=$?\r")  # shown as it is typed: the terminal echoes and ends lines again
            shell.until("$ echo code=$?", "code=137")
            assert not any(shell.modes[one] for one in (1049, 1004, *MOUSE))
            assert shell.modes[25]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_leaves_the_terminal_sane_and_the_run_paused(cockpit: Cockpit, number: signal.Signals) -> None:
    with OpenAIServer() as server:
        held(server)
        with cockpit.terminal(*DIRECT, environ=environ_of(server)) as terminal:
            until_asked(server, 2, terminal)
            terminal.until("executing")
            os.kill(terminal.pid, number)
            assert terminal.wait() == (130 if number == signal.SIGINT else 0)
            assert not any(terminal.modes[one] for one in (1049, 1004, 2004, *MOUSE))
            assert terminal.modes[25]
        wait_until_gone(str(cockpit.home))
        assert the_run(cockpit)["state"] == "paused"


def test_left_running_it_still_ends_when_it_is_told_to(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        held(server)
        with cockpit.terminal(*DIRECT, environ=environ_of(server)) as terminal:
            until_asked(server, 2, terminal)
            terminal.until("executing")
            left = family(terminal.pid)[1]
            terminal.keys("q")
            terminal.until("Quit?")
            terminal.keys("l")
            assert terminal.wait() == 0
        assert Path(f"/proc/{left}").exists(), "the very same process goes on"
        os.kill(left, signal.SIGTERM)
        wait_until_gone(str(cockpit.home))
        assert the_run(cockpit)["state"] == "paused"


def test_a_pause_waits_for_the_call_in_flight_unless_it_is_told_not_to(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        gate = held(server)
        server.answer(text("It is counted."), role="engineer")
        with cockpit.terminal(*DIRECT, environ=environ_of(server), columns=120, rows=40) as terminal:
            until_asked(server, 2, terminal)
            terminal.until("executing")
            terminal.keys("p")
            terminal.until("Pausing.", "p stops it now")
            terminal.keys("p")
            terminal.until("Stop this run now?", "1 step at work will be stopped")
            terminal.keys("n")
            terminal.until_gone("Stop this run now?")
            terminal.until("Pausing.", "executing")
            terminal.keys("p")
            terminal.until("Stop this run now?")
            terminal.keys("y")
            terminal.until("paused")
            terminal.until_gone("Pausing.")
            gate.set()
            terminal.keys("p")
            terminal.until("Completed in", "It is counted.")
            terminal.keys("q")
            assert terminal.wait() == 0
        assert server.count == 3, "the call that was stopped is made again"
