"""The line drops, or there never was one: the run goes on, and any other terminal shows it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, code, says
from tests.support.openai_server import Held, OpenAIServer, text
from tests.support.processes import wait_until_gone


def waiting(gate: Path) -> dict[str, object]:
    return code(
        f"import os, time\nprint('waiting', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    )


def test_a_hangup_in_the_middle_of_a_step_and_a_second_terminal(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    journal = Journal(tmp_path / "story.jsonl").does("task", waiting(gate), says("The gate is open."))
    with cockpit.terminal("run", "Wait.", "--mode", "one-shot", "--model", journal.model) as first:
        first.until("executing")
        run_id = cockpit.until_code_runs()
        first.hang_up()
        with cockpit.terminal("attach", run_id, columns=120, rows=40) as second:
            second.until("executing", "task")
            gate.touch()
            second.until("Completed in", "The gate is open.")
            second.keys("q")
            assert second.wait() == 0
        assert first.wait() == 0
    wait_until_gone(str(cockpit.home))
    (node,) = [one for one in cockpit.say("show", run_id, "--json").json["nodes"] if one["step"] == "task"]
    assert node["attempts"] == 1
    assert cockpit.say("db", "check").code == 0


def test_the_shell_goes_with_the_line_and_a_call_is_in_flight(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        gate = threading.Event()
        server.answer(Held(text("It is said."), gate), role="engineer")
        environ = {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url}
        with cockpit.shell(**environ) as shell:
            shell.keys("cmbagent-tui run Say. --mode one-shot --model openai:test-model\r")
            shell.until("executing", "asks openai:test-model")
            shell.hang_up()
            shell.wait()
        (run,) = cockpit.say("runs", "--json").json["runs"]
        with cockpit.terminal("attach", run["run_id"], columns=120, rows=40) as second:
            second.until("executing", "asks openai:test-model")
            gate.set()
            second.until("Completed in", "It is said.")
            second.keys("q")
            assert second.wait() == 0
        assert server.count == 1, "the call that was in flight was not lost"
    wait_until_gone(str(cockpit.home))


def test_a_line_that_stalls_holds_up_nothing_but_the_screen(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    journal = Journal(tmp_path / "story.jsonl").does("task", waiting(gate), says("The gate is open."))
    command = ("run", "Wait.", "--mode", "one-shot", "--model", journal.model)
    with cockpit.terminal(*command, columns=250, rows=80) as terminal:
        terminal.until("executing")
        run_id = cockpit.until_code_runs()
        for turn in range(30):  # each paints the whole screen anew, and nobody reads what is painted
            terminal.resize(200 + turn % 2, 80)
            time.sleep(0.1)
        gate.touch()
        assert cockpit.when_over(run_id)["state"] == "completed"
        terminal.until("Completed in", "The gate is open.", "1 Steps", "2 Timeline", "q Quit")
        terminal.keys("q")
        assert terminal.wait() == 0
        assert not terminal.modes[1049] and terminal.modes[25]


def test_what_a_killed_app_left_is_taken_over_by_one_that_is_open(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    journal = Journal(tmp_path / "story.jsonl").does("task", waiting(gate), says("The gate is open."))
    with cockpit.terminal("run", "Wait.", "--mode", "one-shot", "--model", journal.model) as first:
        first.until("executing")
        run_id = cockpit.until_code_runs()
        with cockpit.terminal("attach", run_id, columns=120, rows=40) as second:
            second.until("executing", "waiting")
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            second.until("its process is gone")
            gate.touch()
            second.until("Completed in", "The gate is open.")
            second.keys("q")
            assert second.wait() == 0
    (node,) = [one for one in cockpit.say("show", run_id, "--json").json["nodes"] if one["step"] == "task"]
    assert node["attempts"] == 1


def test_the_app_is_killed_and_started_again(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    journal = Journal(tmp_path / "story.jsonl").does("task", waiting(gate), says("The gate is open."))
    with cockpit.terminal("run", "Wait.", "--mode", "one-shot", "--model", journal.model) as first:
        first.until("executing")
        run_id = cockpit.until_code_runs()
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with cockpit.terminal(columns=120, rows=40) as second:
        second.until("executing", "Wait.")
        gate.touch()
        second.until("completed")
        second.keys("q")
        assert second.wait() == 0
    (node,) = [one for one in cockpit.say("show", run_id, "--json").json["nodes"] if one["step"] == "task"]
    assert node["attempts"] == 1


def test_a_detached_run_needs_no_terminal_at_all(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("task", code("print(1)"), says("Done alone."))
    said = cockpit.say("run", "Go alone.", "--detach", "--json", "--mode", "one-shot", "--model", journal.model)
    assert said.code == 0, said.err
    followed = cockpit.say("show", said.json["run_id"], "--follow", "--json")
    assert '"after": "completed"' in followed.out.splitlines()[-1]


def test_a_termination_leaves_the_terminal_clean_and_the_run_paused(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("task", waiting(tmp_path / "gate"), says("done"))
    with cockpit.terminal("run", "Wait.", "--mode", "one-shot", "--model", journal.model) as terminal:
        terminal.until("executing")
        run_id = cockpit.until_code_runs()
        os.kill(terminal.pid, signal.SIGTERM)
        terminal.wait()
        assert b"\x1b[?1049l" in terminal.raw, "the alternate screen was left"
        assert terminal.screen.cursor.hidden is False
    assert cockpit.say("show", run_id, "--json").json["state"] == "paused"
