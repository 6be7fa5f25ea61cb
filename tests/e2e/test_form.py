"""A session by keys alone, from its form, in a real terminal; what was written outlives kill -9."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.cockpit import PATIENCE, Cockpit
from tests.support.journals import Journal, code, says


def test_a_draft_outlives_kill_9_and_is_started_by_keys(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("task", code("print(open('inputs/data.csv').read().upper())"), says("It is done."))
    (tmp_path / "data.csv").write_text("measured\n")
    with cockpit.terminal() as terminal:
        terminal.until("Nothing here yet")
        terminal.keys("n")
        terminal.until("What is to be found out?")
        terminal.keys(*"Is it", "enter", *"damped", "tab", "right")
        terminal.until("damped", "one-shot")
        deadline = time.monotonic() + PATIENCE
        drafts = cockpit.home / "state" / "drafts"
        while not any("damped" in one.read_text() and "one-shot" in one.read_text() for one in drafts.glob("*.json")):
            assert time.monotonic() < deadline
            terminal.screen_settles(0.1)
    assert terminal.code == -9
    with cockpit.terminal() as terminal:
        terminal.until("Nothing here yet")
        terminal.keys("n")
        terminal.until("Is it", "damped", "one-shot")
        terminal.keys(*"?", "tab", "tab", "tab", *journal.model, "tab", "tab", "tab", *str(tmp_path / "data.csv"))
        terminal.until("1 file, 9 B")
        terminal.keys("\x13")  # ctrl+s
        terminal.until("completed", "It is done.")
        terminal.keys("q")
        assert terminal.wait() == 0
    (run,) = cockpit.say("runs", "--json").json["runs"]
    assert (run["task"], run["mode"], run["state"]) == ("Is it\ndamped?", "one-shot", "completed")
    assert "MEASURED" in cockpit.say("show", run["run_id"], "--events", "--json").out
    assert not list(drafts.glob("*.json"))
