"""Doing a step again from the command line: redo, branch, and a call whose outcome is unknown."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path

from tests.support.cockpit import Cockpit
from tests.support.journals import Journal, code, plan, says, step, writes


def files(cockpit: Cockpit, run: str) -> dict[str, str]:
    shown = cockpit.say("show", run, "--files", "--json").json["files"]
    return {one["path"]: one["sha256"] for one in shown}


def begun(cockpit: Cockpit, tmp_path: Path, journal: Journal, *steps: object) -> str:
    """Run a plan to its end; the run's id."""
    (tmp_path / "plan.json").write_text(json.dumps(plan(*steps)))  # type: ignore[arg-type]
    said = cockpit.say(
        "run", "Go.", "--plan", str(tmp_path / "plan.json"), "--model", journal.model, "--headless", "--json"
    )
    return said.json["run_id"]


def test_a_step_is_redone_with_feedback_and_branched(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("a", writes("a.txt", "1"), says("done"), attempt=1)
    journal.does("a", writes("a.txt", "2"), says("done"), attempt=2)
    journal.does("b", writes("b.txt", "b"), says("done"))
    run = begun(cockpit, tmp_path, journal, step("a"), step("b", "a"))
    first = files(cockpit, run)
    again = cockpit.say("redo", run, "a", "--feedback", "Look twice.", "--headless", "--json")
    assert (again.code, again.json["state"]) == (0, "completed")
    assert {node["step"]: node["attempts"] for node in again.json["nodes"]} == {
        "a": 2,
        "redo 1 of a": 0,
        "b": 2,
        "terminator": 2,
    }
    assert files(cockpit, run)["a.txt"] != first["a.txt"]
    told = cockpit.say("show", run, "--messages", "--json").json["messages"]
    assert any("Look twice." in one["content"] for one in told)

    points = [node for node in again.json["nodes"] if node["kind"] == "branch_point"]
    assert [(node["step"], node["title"]) for node in points] == [("redo 1 of a", "Look twice.")]
    conditional = [edge for edge in again.json["edges"] if edge["kind"] == "conditional"]
    assert [edge["from"] for edge in conditional] == [points[0]["id"]]

    branched = cockpit.say(
        "branch", run, "b", "--name", "another way", "--hypothesis", "b was wrong", "--headless", "--json"
    )
    assert branched.code == 0, branched.err
    assert (branched.json["parent_run_id"], branched.json["branch_name"]) == (run, "another way")
    assert branched.json["hypothesis"] == "b was wrong"
    refused = cockpit.say("redo", run, "nothing", "--headless")
    assert refused.code == 2 and "There are: a, b." in refused.err

    tree = cockpit.say("branch-tree", branched.json["run_id"])
    assert [line.split("/")[0] for line in tree.out.splitlines()] == [
        f"{run[-8:]} ✓ completed  Go.  2",
        f"╰─ {branched.json['run_id'][-8:]} ✓ completed  'another way' at b  2",
        "      b was wrong",
    ]
    told_of = cockpit.say("branch-tree", run, "--json").json["runs"]
    assert [(one["run_id"], one["depth"], one["parent_step"]) for one in told_of] == [
        (run, 0, None),
        (branched.json["run_id"], 1, "b"),
    ]


def test_a_step_is_redone_with_edited_instructions_and_an_edited_program(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("a", code("open('a.txt', 'w').write('1')", "make.py"), says("done"))
    journal.does("b", writes("b.txt", "b"), says("done"))
    run = begun(cockpit, tmp_path, journal, step("a", instructions=["Write one."]), step("b", "a"))
    (tmp_path / "own.txt").write_text("- Write two,\n  and say so.\n- Nothing else.\n")
    (tmp_path / "own.py").write_text("open('a.txt', 'w').write('2')\n")
    given = ("--instructions", str(tmp_path / "own.txt"), "--code", str(tmp_path / "own.py"))
    again = cockpit.say("redo", run, "a", *given, "--headless", "--json")
    assert again.code == 0, again.err
    told = [one["content"] for one in cockpit.say("show", run, "--messages", "--json").json["messages"]]
    assert any("- Write two,\nand say so.\n- Nothing else." in one for one in told)
    assert files(cockpit, run)["a.txt"] == hashlib.sha256(b"2").hexdigest()
    refused = cockpit.say("redo", run, "b", "--code", str(tmp_path / "own.py"), "--headless")
    assert (refused.code, "b ran no program" in refused.err) == (2, True)
    (tmp_path / "own.py").write_text("for\n")
    refused = cockpit.say("redo", run, "a", "--code", str(tmp_path / "own.py"), "--headless")
    assert (refused.code, "is not Python: line 1" in refused.err) == (2, True)
    missing = cockpit.say("redo", run, "a", "--instructions", str(tmp_path / "no.txt"), "--headless")
    assert (missing.code, "cannot be read" in missing.err) == (2, True)
    (cockpit.home / "config.toml").write_text("max_redos = 1\n")
    run = begun(cockpit, tmp_path, journal, step("a"))
    assert cockpit.say("redo", run, "a", "--headless").code == 0
    refused = cockpit.say("redo", run, "a", "--headless")
    assert (refused.code, "max_redos, 1, is reached" in refused.err) == (2, True)


def test_two_runs_are_compared_step_by_step_and_file_by_file(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    journal.does("a", writes("a.txt", "1"), says("done"))
    journal.does("b", writes("b.txt", "the first"), says("done"), attempt=1)
    run = begun(cockpit, tmp_path, journal, step("a"), step("b", "a"))
    same = cockpit.say("branch", run, "b", "--name", "the same", "--headless", "--json").json["run_id"]
    alike = cockpit.say("compare", run, same)
    assert alike.code == 0, alike.err
    assert "2 identical" in alike.out and "taken over" in alike.out

    (tmp_path / "story.jsonl").unlink()
    other = Journal(tmp_path / "story.jsonl")
    other.does("b", writes("b.txt", "another"), writes("c.txt", "more"), says("done"))
    changed = cockpit.say("branch", run, "b", "--name", "changed", "--headless", "--json").json["run_id"]
    differs = cockpit.say("compare", run, changed, "--json")
    assert differs.code == 1
    assert [one["run_id"] for one in differs.json["runs"]] == [run, changed]
    assert {one["path"]: one["likeness"] for one in differs.json["files"]["files"]} == {
        "a.txt": "identical",
        "b.txt": "different",
        "c.txt": "added",
    }
    sides = {one["step"]: one["sides"] for one in differs.json["steps"]}
    assert [side["taken_over"] for side in sides["a"]] == [False, True]
    assert [(side["state"], side["attempts"]) for side in sides["b"]] == [("completed", 1)] * 2
    assert cockpit.say("compare", run, run).code == 2


def test_a_call_that_may_have_had_its_effect_is_left_to_a_person(cockpit: Cockpit, tmp_path: Path) -> None:
    (cockpit.home / "agents").mkdir(parents=True)
    (cockpit.home / "agents" / "engineer.toml").write_text('ask_again = ["run_code"]\n')
    counts = tmp_path / "counts"
    journal = Journal(tmp_path / "story.jsonl")
    slow = code(f"import time\nopen({str(counts)!r}, 'a').write('x')\nprint('on', flush=True)\ntime.sleep(600)")
    journal.does("task", slow, says("done"))
    going = cockpit.start("run", "Go.", "--mode", "one-shot", "--model", journal.model, "--headless")
    run = cockpit.until_code_runs()
    os.kill(going.pid, signal.SIGKILL)
    going.communicate()
    asked = cockpit.say("resume", run, "--headless", "--json")
    assert (asked.code, asked.json["state"]) == (3, "waiting_approval")
    (approval,) = cockpit.say("approvals", "--json").json["approvals"]
    assert "may have had its effect" in approval["title"]
    settled = cockpit.say("approve", run, "--skip", "--feedback", "It did.")
    assert settled.code == 0, settled.err
    ended = cockpit.say("show", run, "--follow", "--json")
    assert '"completed"' in ended.out
    assert counts.read_text() == "x"


def test_a_branch_with_variables_and_another_plan_and_a_run_played_from_a_step(
    cockpit: Cockpit, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "story.jsonl")
    for name in ("a", "b", "c"):
        journal.does(name, writes(f"{name}.txt", name), says("done"))
    run = begun(cockpit, tmp_path, journal, step("a"), step("b", "a"))
    (tmp_path / "edited.json").write_text(json.dumps(plan(step("a"), step("b", "a"), step("c", "b"))))
    edited = ("--edit-plan", str(tmp_path / "edited.json"))
    given = ("--set", "seed=42", "--set", "prior=flat", *edited)
    branched = cockpit.say("branch", run, "b", "--name", "wider", *given, "--headless", "--json")
    assert (branched.code, branched.json["state"]) == (0, "completed"), branched.err
    tries = {node["step"]: node["attempts"] for node in branched.json["nodes"]}
    assert tries == {"a": 1, "b": 1, "c": 1, "terminator": 1}
    told = cockpit.say("show", branched.json["run_id"], "--messages", "--json").json["messages"]
    asked = [one["content"] for one in told if one["role"] == "user"]
    assert len(asked) == 2 and all('- seed = 42\n- prior = "flat"' in one for one in asked)

    (tmp_path / "edited.json").write_text(json.dumps(plan(step("a", outputs=["z.txt"]), step("b", "a"))))
    refused = cockpit.say("branch", run, "b", "--name", "no", *edited, "--headless", "--json")
    assert (refused.code, refused.out) == (2, "")
    assert "changes the outputs of the step a" in refused.err and "or branch at a" in refused.err
    (tmp_path / "edited.json").write_text("{")
    assert cockpit.say("branch", run, "b", "--name", "no", *edited, "--headless").code == 2
    wrong = cockpit.say("branch", run, "b", "--name", "no", "--set", "seed", "--headless")
    assert (wrong.code, "Give it as NAME=VALUE" in wrong.err) == (2, True)

    played = cockpit.say("play-from", run, "b", "--headless", "--json")
    assert (played.code, played.json["state"], played.json["parent_run_id"]) == (0, "completed", run), played.err
    assert files(cockpit, played.json["run_id"]) == files(cockpit, run)
    assert cockpit.say("play-from", run, "nothing", "--headless").code == 2
    journal.does("bad", says("I wrote nothing"))
    failed = begun(cockpit, tmp_path, journal, step("bad", outputs=["x"]), step("b", "bad"))
    refused = cockpit.say("play-from", failed, "b", "--headless")
    assert refused.code == 2 and "redo" in refused.err
