"""A terminal of twenty columns and five rows: everything starts, says something, takes its keys, and grows."""

from __future__ import annotations

from pathlib import Path

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, code, says, step

TINY = {"columns": 20, "rows": 5}


def test_the_home_screen_says_what_to_press_and_quits(cockpit: Cockpit) -> None:
    with cockpit.terminal(**TINY) as terminal:
        terminal.until("Nothing here", "Press d")
        terminal.resize(120, 40)
        terminal.until("OPENAI_API_KEY", "q Quit", "a plan to approve")
        terminal.resize(20, 5)
        terminal.until_gone("OPENAI_API_KEY")
        terminal.until("Press d")
        terminal.keys("q")
        assert terminal.wait() == 0


def test_a_plan_is_approved_and_carried_out(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").plans(step("fit", title="Fit it"), title="Plan of one")
    journal.does("fit", code("print('fitted')"), says("It is done."))
    with cockpit.terminal("run", "Fit.", "--model", journal.model, **TINY) as terminal:
        terminal.until("Plan of one", "a r e x")
        terminal.screen_settles()
        terminal.keys("j", "k", "a")
        terminal.until_gone("Plan of one")
        terminal.until("completed")
        terminal.keys("1", "2", "3", "7")
        terminal.resize(120, 40)
        terminal.until("Completed in", "It is done.", "fitted", "1 Steps", "2 Timeline")
        terminal.resize(20, 5)
        terminal.until_gone("2 Timeline")
        terminal.keys("q")
        assert terminal.wait() == 0


def test_a_single_cell_breaks_nothing(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").plans(step("fit", title="Fit it"), title="Plan of one")
    with cockpit.terminal("run", "Fit.", "--model", journal.model, columns=1, rows=1) as terminal:
        terminal.screen_settles()
        terminal.resize(80, 24)
        terminal.until("Plan of one", "Shall this run?")
        terminal.resize(1, 1)
        terminal.screen_settles()
        terminal.keys("escape")
        terminal.screen_settles()  # else the two are one key: alt and q
        terminal.keys("q")
        assert terminal.wait() == 0
