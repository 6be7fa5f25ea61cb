"""What a person does and sees, in a real terminal, with keys alone."""

from __future__ import annotations

import re

import pytest

from tests.support.cockpit import Cockpit


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24)])
def test_the_demo_from_the_plan_to_the_report_and_back_again(cockpit: Cockpit, columns: int, rows: int) -> None:
    with cockpit.terminal("demo", columns=columns, rows=rows) as terminal:
        terminal.until("shipped journal")
        terminal.until("Shall this run?", "a approve")
        terminal.until("Simulate the measurement")
        terminal.screen_settles()
        terminal.keys("a")
        terminal.until("executing", "fit_damped")
        terminal.until("Completed in", "7/7", timeout=90)
        terminal.keys("1")
        terminal.until("fit_undamped", "fit_damped", "report", "Gather the results")
        terminal.screen_settles()
        shown = terminal.text.split("Timeline")[0]
        steps = shown.split("1 Steps")[1]
        assert steps.count("✓") >= 10
        assert not set("✗○◉") & set(steps)
        terminal.keys("q")
        assert terminal.wait() == 0
        left = terminal.screen.cursor
        assert left.hidden is False

    runs = cockpit.say("runs", "--json").json["runs"]
    assert [run["state"] for run in runs] == ["completed"]

    with cockpit.terminal(columns=columns, rows=rows) as terminal:
        terminal.until("Is this oscillator damped?", "completed", "7/7")
        terminal.keys("enter")
        terminal.until("7/7", "report")
        terminal.keys("8")
        terminal.until("report.md")
        terminal.keys("escape", "escape")
        terminal.until_gone("Timeline" if columns > 100 else "report.md")
        terminal.until("1 session", "completed")
        terminal.keys("q")
        assert terminal.wait() == 0


def test_a_session_opens_exactly_as_it_was_left(cockpit: Cockpit) -> None:
    with cockpit.terminal("demo", columns=120, rows=40) as terminal:
        terminal.until("Shall this run?")
        terminal.screen_settles()
        terminal.keys("escape")
        terminal.until_gone("Shall this run?")
        terminal.keys("1", "k", "k", "enter")
        terminal.until("3 planning")
        terminal.keys("9")
        terminal.until("planner", "Messages")
        terminal.keys("q")
        terminal.wait()
    with cockpit.terminal(columns=120, rows=40) as terminal:
        terminal.until("waiting for you")
        terminal.keys("enter")
        terminal.until("Shall this run?")
        terminal.screen_settles()
        terminal.keys("escape")
        terminal.until("3 planning")
        terminal.until("no measured number rounds to it")
        terminal.keys("A")
        terminal.until("Shall this run?")
        terminal.screen_settles()
        terminal.keys("a")
        terminal.until("Completed in", "7/7", timeout=90)


def test_the_plan_is_edited_in_the_persons_own_editor(cockpit: Cockpit) -> None:
    script = cockpit.home.parent / "editor.sh"
    script.write_text("#!/bin/sh\nsed -i 's/title: Is this oscillator damped?/title: Edited by hand/' \"$1\"\n")
    script.chmod(0o755)
    with cockpit.terminal("demo", columns=120, rows=40, environ={"EDITOR": str(script)}) as terminal:
        terminal.until("Shall this run?")
        terminal.screen_settles()
        terminal.keys("E")
        terminal.until("Edited by hand")
        terminal.screen_settles()
        terminal.keys("a")
        terminal.until("✓ data")
    (run,) = cockpit.say("runs", "--json").json["runs"]
    (approval,) = cockpit.say("show", run["run_id"], "--json").json["approvals"]
    assert approval["state"] == "modified"
    assert approval["answer"]["plan"]["title"] == "Edited by hand"


def test_without_a_model_the_app_says_what_to_set_and_offers_the_demo(cockpit: Cockpit) -> None:
    with cockpit.terminal(columns=80, rows=24) as terminal:
        terminal.until("OPENAI_API_KEY", "Press d")
        terminal.keys("d")
        terminal.until("Is this oscillator damped?", "planning")
        terminal.keys("q")
        terminal.until("Quit")


def test_who_looks_elsewhere_is_called_and_finds_what_waits_in_a_list(cockpit: Cockpit) -> None:
    def rung() -> bool:
        return b"\x07" in re.sub(rb"\x1b\][^\x07\x1b]*(\x07|\x1b\\)", b"", bytes(terminal.raw))

    with cockpit.terminal("demo", columns=100, rows=30) as terminal:
        terminal.until("Shall this run?")
        terminal.screen_settles()
        assert not rung()
        terminal.keys("escape")
        terminal.until_gone("Shall this run?")
        terminal.keys("escape")
        terminal.until("1 session", "1 approval waiting for you")
        terminal.keys("d", "\x1b[O")  # the last is what a terminal says when it loses the focus
        terminal.until("Shall this run?")
        terminal.screen_settles()
        assert rung()
        assert b"\x1b]2;(!) " in terminal.raw
        terminal.keys("A")
        terminal.until("2 approvals waiting for you", "medium: 7 steps")
        terminal.screen_settles()
        terminal.keys("a")
        terminal.until("1 approval waiting for you")
