"""Every mode of approval without a terminal: the run stops with exit 3, and `approve` lets it go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, plan, says, step, writes

FAILING = step("one", outputs=["one.txt"])


def begin(cockpit: Cockpit, tmp_path: Path, journal: Journal, *arguments: str, steps: tuple[Any, ...] = ()) -> Any:
    """Run headless; what it printed."""
    if steps:
        (tmp_path / "plan.json").write_text(json.dumps(plan(*steps)))
        arguments = ("--plan", str(tmp_path / "plan.json"), *arguments)
    return cockpit.say(
        "run", "Go.", "--model", journal.model, "--retries", "0", "--headless", "--json", *arguments
    )  # fmt: skip


def waiting(cockpit: Cockpit, said: Any, kind: str) -> str:
    """The id of what the run waits for, as its exit and its words tell."""
    assert (said.code, said.json["state"]) == (3, "waiting_approval"), said.err
    (approval,) = [one for one in said.json["approvals"] if one["state"] == "pending"]
    assert approval["kind"] == kind
    assert f"cmbagent-tui approve {approval['approval_id'][-8:]}" in said.err
    return approval["approval_id"]


def test_none_asks_nothing_and_after_planning_the_plan(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").plans(step("one")).does("one", says("done"))
    assert begin(cockpit, tmp_path, journal, "--approval", "none").json["state"] == "completed"
    said = begin(cockpit, tmp_path, journal)
    identity = waiting(cockpit, said, "plan")
    assert "no check, so that its own word is all there is: one" in said.err
    wrong = cockpit.say("approve", identity, "--skip")
    assert wrong.code == 2 and "There are: abort, approved, modified, rejected, retry." in wrong.err
    approved = cockpit.say("approve", identity, "--json")
    assert approved.json["state"] == "approved"
    assert cockpit.when_over(approved.json["run_id"])["state"] == "completed"
    twice = cockpit.say("approve", identity, "--reject")
    assert twice.code == 1 and "was settled before: approved by" in twice.err


def test_before_each_step_and_a_mode_that_changes(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("one", says("done")).does("two", says("done"))
    steps = (step("one"), step("two", "one"))
    said = begin(cockpit, tmp_path, journal, "--approval", "before_each_step", steps=steps)
    identity, run = waiting(cockpit, said, "step"), said.json["run_id"]
    assert cockpit.say("mode", run).out == "before_each_step\n"
    (tmp_path / "step.yaml").write_text("title: Do it with care\n")
    changed = cockpit.say("mode", run, "none", "--json")
    assert changed.json == {"run_id": run, "approval": "none"}
    assert cockpit.say("mode", run, "sometimes").code == 2
    edited = cockpit.say("approve", identity, "--edit", str(tmp_path / "step.yaml"), "--feedback", "Slowly.", "--json")
    assert edited.json["answer"]["step"]["title"] == "Do it with care", edited.err
    assert "+title: Do it with care" in edited.json["answer"]["difference"]
    assert cockpit.when_over(run)["state"] == "completed"
    told = cockpit.say("show", run, "--messages").out
    assert "Do it with care" in told and "Slowly." in told


def test_on_error(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("one", says("sorry"), attempt=1)
    journal.does("one", writes("one.txt", "1"), says("done"), attempt=2)
    said = begin(cockpit, tmp_path, journal, "--approval", "on_error", steps=(FAILING,))
    identity, run = waiting(cockpit, said, "error"), said.json["run_id"]
    assert "--retry try it again" in said.err
    refused = cockpit.say("approve", identity)
    assert refused.code == 2 and "a error cannot be settled as approved" in refused.err
    assert cockpit.say("approve", identity, "--feedback", "Write the file.").code == 0
    assert cockpit.when_over(run)["state"] == "completed"
    (approval,) = cockpit.say("show", run, "--json").json["approvals"]
    assert (approval["state"], approval["feedback"]) == ("retry", "Write the file.")
    counted = {"category": "file_not_found", "failures": 1, "retried": 0, "resolved": 0}
    assert cockpit.say("retries", "--json").json == {"retries": [counted]}
    assert "file_not_found           1         0         0" in cockpit.say("retries").out


def test_a_check_is_waived(cockpit: Cockpit, tmp_path: Path) -> None:
    """In the approval of the error, and by a command of its own once the run has failed."""
    journal = Journal(tmp_path / "story.jsonl").does("one", writes("one.txt", "1"), says("done"), attempt=1)
    check = {"name": "it is two", "kind": "text_contains", "path": "one.txt", "pattern": "2"}
    steps = (step("one", outputs=["one.txt"], checks=[check]),)
    said = begin(cockpit, tmp_path, journal, "--approval", "on_error", steps=steps)
    identity, run = waiting(cockpit, said, "error"), said.json["run_id"]
    assert "--waive CHECK let the result stand although this check fails" in said.err
    wrong = cockpit.say("approve", identity, "--waive", "it is three")
    assert wrong.code == 2 and "There are: it is two." in wrong.err
    assert cockpit.say("approve", identity, "--waive", "it is two", "--feedback", "One is fine.").code == 0
    assert cockpit.when_over(run)["checks"]["waived"] == 1
    told = cockpit.say("show", run).out
    assert "◧ one              waived" in told and ": One is fine.: it is two: nothing in it matches '2'" in told
    assert "1 failed check was waived." in told
    assert "waives 'it is two': One is fine." in cockpit.say("show", run, "--events").out

    said = begin(cockpit, tmp_path, journal, "--approval", "none", steps=steps)
    assert (said.code, said.json["state"]) == (1, "failed")
    run = said.json["run_id"]
    assert cockpit.say("waive", run, "one", "it is three", "--headless").code == 2
    waived = cockpit.say("waive", run, "one", "it is two", "--headless", "--json")
    assert (waived.code, waived.json["state"]) == (0, "completed"), waived.err
    assert waived.json["checks"] == {"declared": 1, "held": 0, "failed": 0, "waived": 1, "unchecked": 0}


def test_custom_with_always_and_what_is_taken_back(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("one", writes("a.txt", "1"), writes("a.txt", "2"), writes("b.txt", "3"), says("done"))
    rules = tmp_path / "rules.toml"
    rules.write_text('default = "allow"\n[[ask]]\ntool = "write_text"\n')
    absent = begin(cockpit, tmp_path, journal, "--approval", "custom", steps=(step("one"),))
    assert absent.code == 2 and "rules.toml: it cannot be read" in absent.err
    said = begin(cockpit, tmp_path, journal, "--rules", str(rules), steps=(step("one"),))
    identity, run = waiting(cockpit, said, "tool"), said.json["run_id"]
    assert cockpit.say("approve", identity, "--always", "run").code == 0
    assert cockpit.say("resume", run, "--headless").code == 3, "b.txt is asked about, a.txt no more"
    (grant,) = cockpit.say("grants", run, "--json").json["grants"]
    assert (grant["grant_id"], grant["scope"]) == (identity, "run")
    assert "write_text on a.txt" in cockpit.say("grants").out
    (tmp_path / "mine.txt").write_text("mine\n")
    edited = cockpit.say("approve", run, "--edit", str(tmp_path / "mine.txt"), "--json")
    assert edited.json["answer"]["arguments"] == {"path": "b.txt", "text": "mine\n"}, edited.err
    assert cockpit.when_over(run)["state"] == "completed"
    assert "taken back by" in cockpit.say("grants", "--revoke", identity).out
    assert cockpit.say("grants", "--revoke", identity).code == 2


def test_a_person_gives_the_turns(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").does("turn1", writes("a.txt", "1"), says("One."))
    journal.does("turn2", says("Two."), agent="researcher")
    said = begin(cockpit, tmp_path, journal, "--mode", "human-in-the-loop")
    waiting(cockpit, said, "question")
    run = said.json["run_id"]
    assert cockpit.say("approve", run, "--feedback", "Write a file.").code == 0
    assert cockpit.say("resume", run, "--headless").code == 3
    assert cockpit.say("approve", run, "--agent", "researcher", "--feedback", "Read it.").code == 0
    assert cockpit.say("resume", run, "--headless").code == 3
    assert cockpit.say("approve", run).code == 0
    nodes = cockpit.when_over(run)["nodes"]
    assert [(one["step"], one["agent"], one["state"]) for one in nodes if one["kind"] == "step"] == [
        ("turn1", "engineer", "completed"),
        ("turn2", "researcher", "completed"),
    ]


def test_a_question_that_nobody_answers_in_time_is_settled_as_was_said(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").plans(step("one"))
    journal.does("one", says("It is done."))
    begin = ("run", "Go on alone.", "--model", journal.model, "--json", "--deadline", "1s")
    run_id = cockpit.say(*begin, "--on-expiry", "approve", "--detach").json["run_id"]
    run = cockpit.when_over(run_id)
    (plan,) = run["approvals"]
    assert (run["state"], plan["state"], plan["resolved_by"]) == ("completed", "approved", "nobody, in time")
    said = cockpit.say(*begin, "--on-expiry", "sleep", "--headless")
    assert said.code == 2 and "approve, reject, skip, abort" in said.err
    assert cockpit.say("settings", "deadline", "soon").code == 2
