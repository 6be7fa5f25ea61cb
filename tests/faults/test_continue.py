"""The engine is killed in the middle of an attempt; started again, it goes on mid-conversation.

The model server counts: no call that was answered is made again, whenever the kill comes. The code counts too: a
program whose result was recorded does not run again.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.cockpit import Cockpit
from tests.support.journals import plan, step
from tests.support.openai_server import OpenAIServer, Silence, call, review, text
from tests.support.openai_server import plan as planned


def environ_of(server: OpenAIServer) -> dict[str, str]:
    return {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url, "CMBAGENT_MODEL": "openai:test-model"}


def counting(name: str, counts: Path, more: str = "") -> object:
    """A tool call whose program leaves a mark each time it runs, outside its directory."""
    source = f"open({str(counts / name)!r}, 'a').write('x')\nopen('{name}.txt', 'a').write('{name}')\n{more}"
    return call("run_code", filename=f"{name}.py", code=source, explanation=name)


def kill_when_asked(cockpit: Cockpit, server: OpenAIServer, calls: int, *arguments: str) -> str:
    """Start a run, kill its engine while the model is silent on a call, and return the run's id."""
    going = cockpit.start("run", *arguments, "--headless", **environ_of(server))
    until(lambda: server.count == calls)
    os.kill(going.pid, signal.SIGKILL)
    going.communicate()
    return cockpit.say("runs", "--json").json["runs"][0]["run_id"]


def until(condition: object, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


@pytest.mark.parametrize("silent_on", [1, 2, 3])
def test_a_step_goes_on_where_the_model_was_silent(cockpit: Cockpit, tmp_path: Path, silent_on: int) -> None:
    counts = tmp_path / "counts"
    counts.mkdir()
    story = [counting("one", counts), counting("two", counts), text("Both ran.")]
    with OpenAIServer() as server:
        server.answer(*story[: silent_on - 1], Silence(), *story[silent_on - 1 :], role="engineer")
        run_id = kill_when_asked(cockpit, server, silent_on, "Count.", "--mode", "one-shot")
        said = cockpit.say("resume", run_id, "--headless", "--json", **environ_of(server))
        assert said.code == 0, said.err
        assert server.count == len(story) + 1, "only the call that was in flight is made again"
    assert (counts / "one").read_text() == "x"
    assert (counts / "two").read_text() == "x"
    (node,) = [one for one in said.json["nodes"] if one["step"] == "task"]
    assert (node["attempts"], node["summary"]) == (1, "Both ran.")
    paths = {one["path"] for one in node["artifacts"]}
    assert {"one.txt", "two.txt", "codebase/one.py", "codebase/two.py"} <= paths
    assert cockpit.say("db", "check").code == 0


@pytest.mark.parametrize("silent_on", [1, 2, 3])
def test_planning_goes_on_where_the_model_was_silent(cockpit: Cockpit, silent_on: int) -> None:
    answers = [
        ("planner", planned(plan(step("first")))),
        ("plan_reviewer", review("Do more.")),
        ("planner", planned(plan(step("first"), step("second", "first")))),
    ]
    with OpenAIServer() as server:
        for number, (role, answer) in enumerate(answers, 1):
            server.answer(*([Silence()] if number == silent_on else []), answer, role=role)
        run_id = kill_when_asked(cockpit, server, silent_on, "Plan.")
        said = cockpit.say("resume", run_id, "--headless", "--json", **environ_of(server))
        assert said.code == 3, said.err
        assert server.count == len(answers) + 1
    (approval,) = said.json["approvals"]
    assert [one["id"] for one in approval["shown"]["plan"]["steps"]] == ["first", "second"]


def test_the_parent_of_the_workers_is_killed_and_the_attempt_goes_on(cockpit: Cockpit, tmp_path: Path) -> None:
    counts = tmp_path / "counts"
    counts.mkdir()
    gate = tmp_path / "gate"
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    with OpenAIServer() as server:
        server.answer(counting("one", counts), counting("two", counts, waits), text("Both ran."), role="engineer")
        going = cockpit.start("run", "Count.", "--headless", "--json", "--mode", "one-shot", **environ_of(server))
        until(lambda: (counts / "two").exists())
        (zygote,) = [int(one) for one in Path(f"/proc/{going.pid}/task/{going.pid}/children").read_text().split()]
        os.kill(zygote, signal.SIGKILL)
        until(lambda: (counts / "two").read_text() == "xx")
        gate.touch()
        out, err = going.communicate(timeout=60)
        assert going.returncode == 0, err
        assert server.count == 3, "no call was made again"
    assert (counts / "one").read_text() == "x"
    assert "was lost" in err
    (node,) = [one for one in json.loads(out)["nodes"] if one["step"] == "task"]
    assert (node["attempts"], node["summary"]) == (1, "Both ran.")


def test_code_that_had_started_and_not_reported_runs_again_in_what_it_first_found(
    cockpit: Cockpit, tmp_path: Path
) -> None:
    counts = tmp_path / "counts"
    counts.mkdir()
    gate = tmp_path / "gate"
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    with OpenAIServer() as server:
        server.answer(counting("one", counts), counting("two", counts, waits), text("Both ran."), role="engineer")
        going = cockpit.start("run", "Count.", "--headless", "--mode", "one-shot", **environ_of(server))
        until(lambda: (counts / "two").exists())
        os.kill(going.pid, signal.SIGKILL)
        going.communicate()
        gate.touch()
        run_id = cockpit.say("runs", "--json").json["runs"][0]["run_id"]
        said = cockpit.say("resume", run_id, "--headless", "--json", **environ_of(server))
        assert said.code == 0, said.err
        assert server.count == 3, "no call was made again"
    assert (counts / "one").read_text() == "x"
    assert (counts / "two").read_text() == "xx"
    (node,) = [one for one in said.json["nodes"] if one["step"] == "task"]
    newest = {one["path"]: one for one in node["artifacts"]}
    assert newest["two.txt"]["size"] == len("two"), "what the killed try had written was gone when it ran again"
    events = cockpit.say("show", run_id, "--events", "--json").json["events"]
    assert any("outcome is unknown" in event["title"] for event in events)
