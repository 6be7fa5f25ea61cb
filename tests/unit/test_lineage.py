"""Where runs come from."""

from __future__ import annotations

from datetime import UTC, datetime

from cmbagent_tui.state.branches import guides
from engine.model.browsing import RunSummary
from engine.model.lineage import lineage
from engine.model.records import CostTotal, Mode, Run
from engine.model.states import RunState

START = datetime(2031, 5, 6, tzinfo=UTC)


def run(name: str, *, parent: str | None = None, of: str | None = None) -> RunSummary:
    one = Run(
        name, "session", RunState.COMPLETED, Mode.ONE_SHOT, "Go.", {}, START,
        parent_run_id=parent, parent_node_id=f"node of {parent}" if parent else None, replay_of=of,
    )  # fmt: skip
    return RunSummary(one, CostTotal(), 0, 0, 0)


def test_each_run_stands_behind_the_one_that_it_comes_from() -> None:
    runs = [run("5", parent="2"), run("4", of="1"), run("3"), run("2", parent="1"), run("1")]
    found = lineage(runs, {"node of 1": "fit", "node of 2": "plot"})
    assert [(one.summary.run.id, one.depth, one.step) for one in found] == [
        ("1", 0, None),
        ("2", 1, "fit"),
        ("5", 2, "plot"),
        ("4", 1, None),
        ("3", 0, None),
    ]


def test_what_it_came_from_was_pruned() -> None:
    assert [(one.summary.run.id, one.depth) for one in lineage([run("2", parent="1")], {})] == [("2", 0)]


def test_lines_lead_from_each_run_to_those_that_come_from_it() -> None:
    runs = lineage([run("1"), run("2", parent="1"), run("3", parent="2"), run("4", parent="1"), run("5")], {})
    assert [one.summary.run.id for one in runs] == ["1", "2", "3", "4", "5"]
    assert [one.lead for one in guides(runs)] == ["", "├─ ", "│  ╰─ ", "╰─ ", ""]
    assert [one.under for one in guides(runs)] == ["", "│  ", "│     ", "   ", ""]
    assert [one.lead for one in guides(runs, ascii_only=True)] == ["", "|- ", "|  `- ", "`- ", ""]
