"""One session from the form to the report, by keys alone: the window changes its size, the line drops, another terminal
goes on."""

from __future__ import annotations

from pathlib import Path

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, code, says, step, writes
from tests.support.processes import wait_until_gone

COMPUTES = (
    "import json, os, time\nprint('waiting', flush=True)\n"
    "while not os.path.exists({gate!r}): time.sleep(0.02)\n"
    "json.dump({{'omega': 6.2817}}, open('fit.json', 'w'))"
)
CHECK = {"kind": "json_value", "name": "one turn a second", "path": "fit.json", "pointer": "/omega", "min": 6, "max": 7}


def test_from_the_form_to_the_report(cockpit: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    journal = Journal(tmp_path / "story.jsonl")
    journal.plans(
        step("fit", outputs=["fit.json"], checks=[CHECK]), step("tell", "fit", agent="researcher"), title="Fit it"
    )
    journal.does("fit", code(COMPUTES.format(gate=str(gate)), "fit.py"), says("The fit is there."))
    report = "# The oscillator\n\nIts angular frequency is **6.28**.\n"
    journal.does("tell", writes("report.md", report), says("The report is written."), agent="researcher")
    with cockpit.terminal() as first:
        first.until("Nothing here yet")
        first.keys("n")
        first.until("What is to be found out?")
        first.keys(*"How fast is it?", "tab", "tab", "tab", *journal.model, "\x13")
        first.until("Shall this run?", "Do fit")
        first.screen_settles()  # what comes up under a hand takes no key yet
        first.keys("a")
        run_id = cockpit.until_code_runs("fit")
        for columns, rows in ((200, 60), (20, 5), (120, 40)):
            first.resize(columns, rows)
            first.screen_settles()
        first.until("How fast is it?", "executing", "Do fit", "waiting")
        first.hang_up()
        with cockpit.terminal(columns=100, rows=30) as second:
            second.until("How fast is it?", "elsewhere")
            second.keys("enter")
            second.until("Do fit", "Do tell")
            gate.touch()
            second.until("Completed in")
            second.keys("/tell\r8")  # as it comes over a slow line: all at once
            second.until("report.md", "The oscillator", "Its angular frequency is 6.28.")
            second.keys("q")
            assert second.wait() == 0
        assert first.wait() == 0
    wait_until_gone(str(cockpit.home))
    nodes = cockpit.say("show", run_id, "--json").json["nodes"]
    assert {node["step"]: (node["state"], node["attempts"]) for node in nodes if node["kind"] == "step"} == {
        "fit": ("completed", 1),
        "tell": ("completed", 1),
    }
    assert cockpit.say("db", "check").code == 0
