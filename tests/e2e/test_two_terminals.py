"""Two terminals on one database: what one drives the other shows, and either may answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.cockpit import Cockpit, Terminal
from tests.support.journals import Journal, code, says, step

TASK = "Is it seen from there?"


def gated(gate: Path) -> dict[str, object]:
    return code(f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\nprint('open')")


def story(tmp_path: Path) -> tuple[Path, list[str]]:
    """A plan of two steps; the second waits for a gate. The gate, and the arguments that begin it."""
    gate = tmp_path / "gate"
    journal = Journal(tmp_path / "story.jsonl").plans(step("look"), step("wait", "look"), title="Look and wait")
    journal.does("look", code("print(1)"), says("It is seen."))
    journal.does("wait", gated(gate), says("The gate is open."))
    return gate, ["run", TASK, "--model", journal.model]


@contextmanager
def beside(first: Terminal, second: Terminal) -> Iterator[None]:
    """Both are read, whichever is looked at."""
    first.beside, second.beside = [second], [first]
    yield
    first.beside = second.beside = ()


def the_run(cockpit: Cockpit) -> str:
    (run,) = cockpit.say("runs", "--json").json["runs"]
    return run["run_id"]


def shown(cockpit: Cockpit, run_id: str) -> dict[str, Any]:
    return cockpit.say("show", run_id, "--json").json


def one_that_shows(text: str, *terminals: Terminal) -> str:
    """Wait until one of these shows a text; return what it shows."""
    for _ in range(600):
        for terminal in terminals:
            with suppress(AssertionError):
                return terminal.until(text, timeout=0.1)
    raise AssertionError("\n".join(terminal.text for terminal in terminals))


def test_a_second_terminal_shows_a_run_live(cockpit: Cockpit, tmp_path: Path) -> None:
    gate, run = story(tmp_path)
    with cockpit.terminal(*run, "--approval", "none", columns=120, rows=40) as first:
        first.until("executing", "□ look", "◉ wait")
        run_id = the_run(cockpit)
        with cockpit.terminal("attach", run_id, columns=120, rows=40) as second, beside(first, second):
            second.until("executing", "□ look", "◉ wait")
            gate.touch()
            for terminal in (second, first):
                terminal.until("Completed in", "□ wait")
            second.keys("q")
            assert second.wait() == 0
            first.keys("q")
            assert first.wait() == 0
    assert cockpit.say("db", "check").code == 0


def test_a_plan_is_approved_from_the_second_terminal(cockpit: Cockpit, tmp_path: Path) -> None:
    gate, run = story(tmp_path)
    gate.touch()
    with cockpit.terminal(*run, columns=120, rows=40) as first:
        first.until("Shall this run?", "Look and wait")
        run_id = the_run(cockpit)
        with cockpit.terminal("attach", run_id, columns=120, rows=40) as second, beside(first, second):
            second.until("Shall this run?", "Look and wait")
            second.screen_settles()
            second.keys("a")
            first.until_gone("Shall this run?")
            for terminal in (first, second):
                terminal.until("Completed in", "□ wait")
    (approval,) = shown(cockpit, run_id)["approvals"]
    assert approval["state"] == "approved"


def test_of_two_answers_one_counts_and_the_other_is_told_whose(cockpit: Cockpit, tmp_path: Path) -> None:
    gate, run = story(tmp_path)
    with cockpit.terminal(*run, columns=120, rows=40) as first:
        first.until("Shall this run?")
        run_id = the_run(cockpit)
        with cockpit.terminal("attach", run_id, columns=120, rows=40) as second:
            with beside(first, second):
                second.until("Shall this run?")
                second.screen_settles()
            with ThreadPoolExecutor() as hands:
                list(hands.map(lambda terminal: terminal.keys("a"), (first, second)))
            with beside(first, second):
                told = one_that_shows("was settled", first, second)
                (approval,) = shown(cockpit, run_id)["approvals"]
                assert approval["state"] == "approved"
                assert approval["resolved_by"].split()[-1].strip("()") in told
                gate.touch()
                for terminal in (first, second):
                    terminal.until("Completed in", "□ wait")
    ended = shown(cockpit, run_id)
    assert len(ended["approvals"]) == 1
    assert {node["attempts"] for node in ended["nodes"] if node["kind"] == "step"} == {1}


def test_home_follows_what_another_terminal_begins(cockpit: Cockpit, tmp_path: Path) -> None:
    gate, run = story(tmp_path)
    with cockpit.terminal(columns=120, rows=40) as watching:
        watching.until("Nothing here yet")
        with cockpit.terminal(*run, columns=120, rows=40) as working, beside(watching, working):
            watching.until("Shall this run?")
            watching.screen_settles()
            watching.keys("escape")
            watching.until("1 session", "◆ waiting", TASK, "1 approval waiting for you: A")
            working.until("Shall this run?")
            working.screen_settles()
            working.keys("a")
            watching.until_gone("waiting for you")
            watching.until("1 session", TASK, "executing")
            gate.touch()
            watching.until(TASK, "completed")
