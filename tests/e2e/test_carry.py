"""A session goes to another machine in a file: there it looks the same, goes on from where it stood, and replays."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from cmbagent_tui.settings import load
from cmbagent_tui.wiring import make_engine
from tests.support.cockpit import PROGRAM, Cockpit
from tests.support.journals import Journal, code, says, step, writes
from tests.support.openai_server import OpenAIServer, Silence, call, text

WRITES = "import json; json.dump({'answer': 42}, open('answer.json', 'w')); print('written')"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Cockpit:
    """The program on another machine."""
    return Cockpit(tmp_path / "elsewhere" / "home")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cockpit, Any]:
    """A machine with a session that is over, and its run; its models are gone."""
    directory = tmp_path_factory.mktemp("finished")
    journal = Journal(directory / "story.jsonl")
    journal.plans(step("compute", outputs=["answer.json"]), step("tell", "compute", agent="researcher"))
    journal.does("compute", code(WRITES, "compute.py"), says("The answer is computed."))
    journal.does("tell", writes("report.md", "It is 42.\n"), says("The report says 42."), agent="researcher")
    here = Cockpit(directory / "home")
    options = ("--approval", "none", "--headless", "--json", "--model", journal.model)
    said = here.say("run", "What is the answer?", *options)
    assert said.code == 0, said.err
    journal.path.unlink()
    return here, said.json


def until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def files_of(cockpit: Cockpit, directory: str) -> dict[str, bytes]:
    """The results in a session's directory, which lies among those of this machine."""
    root = Path(directory)
    assert root.parent == cockpit.home / "sessions"
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    results = {name: content for name, content in files.items() if "/work/" not in name}
    assert any(name.endswith("control/answer.json") for name in results)
    return results


def carry(run_id: str, here: Cockpit, there: Cockpit, file: Path) -> Any:
    """Export here, import there; what the import says."""
    said = here.say("export", run_id, "--as", "zip", "--output", str(file), "--json")
    assert said.code == 0, said.err
    assert said.json["file"] == str(file)
    assert said.json["bytes"] == file.stat().st_size
    said = there.say("import", str(file), "--json")
    assert said.code == 0, said.err
    return said.json


def looks(cockpit: Cockpit, run_id: str, *sides: str) -> list[Any]:
    """What the command line says of a run and of all sessions, but for where files lie."""
    shown = [cockpit.say("show", run_id, f"--{side}", "--json").json for side in sides]
    run = cockpit.say("export", run_id, "--as", "json").json
    sessions = cockpit.say("sessions", "--json").json["sessions"]
    for one in (run, *sessions):
        one.pop("directory")
    return [*shown, run, sessions]


def test_a_finished_session_looks_the_same_and_replays(
    finished: tuple[Cockpit, Any], elsewhere: Cockpit, tmp_path: Path
) -> None:
    here, run = finished
    said = carry(run["run_id"][-8:], here, elsewhere, tmp_path / "session.zip")
    assert said["session_id"] == run["session_id"]
    assert [(one["run_id"], one["state"]) for one in said["runs"]] == [(run["run_id"], "completed")]
    sides = ("events", "dag", "cost", "files", "messages")
    assert looks(elsewhere, run["run_id"], *sides) == looks(here, run["run_id"], *sides)
    assert elsewhere.say("db", "check").code == 0
    assert files_of(elsewhere, said["directory"]) == files_of(here, run["directory"])
    replayed = elsewhere.say("replay", run["run_id"], "--headless", "--json")
    assert replayed.code == 0, replayed.err
    by_path = {one["path"]: one["sha256"] for node in run["nodes"] for one in node["artifacts"]}
    again = {one["path"]: one["sha256"] for node in replayed.json["nodes"] for one in node["artifacts"]}
    assert again == by_path
    assert elsewhere.say("db", "check").code == 0


def test_it_is_called_by_its_title_unless_it_is_called_otherwise(finished: tuple[Cockpit, Any], tmp_path: Path) -> None:
    here, run = finished
    done = subprocess.run(
        [*PROGRAM, "export", run["session_id"], "--as", "zip"],
        capture_output=True,
        text=True,
        env=here.environ,
        cwd=tmp_path,
        check=True,
    )
    (file,) = tmp_path.iterdir()
    assert file.name == f"what-is-the-answer-{run['session_id'][-8:]}.zip" == done.stdout.strip()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("silent_on", [1, 3])
def test_a_run_that_was_killed_goes_on_elsewhere(
    cockpit: Cockpit, elsewhere: Cockpit, tmp_path: Path, silent_on: int
) -> None:
    """In the middle of a step: what was answered is not asked again, and what had run does not run again."""
    counts = tmp_path / "counts"
    counts.mkdir()

    def counting(name: str) -> object:
        source = f"open({str(counts / name)!r}, 'a').write('x')\nopen('{name}.txt', 'a').write('{name}')\n"
        return call("run_code", filename=f"{name}.py", code=source, explanation=name)

    story = [counting("one"), counting("two"), text("Both ran.")]
    with OpenAIServer() as server:
        environ = {
            "OPENAI_API_KEY": server.key,
            "OPENAI_BASE_URL": server.base_url,
            "CMBAGENT_MODEL": "openai:test-model",
        }
        server.answer(*story[: silent_on - 1], Silence(), *story[silent_on - 1 :], role="engineer")
        going = cockpit.start("run", "Count.", "--mode", "one-shot", "--headless", **environ)
        until(lambda: server.count == silent_on)
        os.kill(going.pid, signal.SIGKILL)
        going.communicate()
        (run,) = cockpit.say("runs", "--json").json["runs"]
        said = carry(run["run_id"], cockpit, elsewhere, tmp_path / "killed.zip")
        assert [one["state"] for one in said["runs"]] == ["executing"]
        assert looks(elsewhere, run["run_id"], "events") == looks(cockpit, run["run_id"], "events")
        resumed = elsewhere.say("resume", run["run_id"], "--headless", "--json", **environ)
        assert resumed.code == 0, resumed.err
        assert server.count == len(story) + 1, "only the call that was in flight is made again"
    assert (counts / "one").read_text() == "x"
    assert (counts / "two").read_text() == "x"
    (node,) = [one for one in resumed.json["nodes"] if one["step"] == "task"]
    assert (node["attempts"], node["summary"]) == (1, "Both ran.")
    assert {"one.txt", "two.txt"} <= {one["path"] for one in node["artifacts"]}
    directory = Path(resumed.json["directory"])
    assert directory.parent == elsewhere.home / "sessions"
    assert (next(directory.glob("*/control")) / "two.txt").read_text() == "two"
    assert elsewhere.say("db", "check").code == 0
    assert cockpit.say("show", run["run_id"], "--json").json["state"] == "executing", "here it is as it was"


def test_a_run_is_carried_while_it_goes_on(cockpit: Cockpit, elsewhere: Cockpit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nopen('x.txt', 'w').write('x')"
    journal = Journal(tmp_path / "story.jsonl").does("task", code(waits), says("Done."))
    going = cockpit.start("run", "Wait.", "--mode", "one-shot", "--headless", "--json", "--model", journal.model)
    run_id = cockpit.until_code_runs()
    carry(run_id, cockpit, elsewhere, tmp_path / "live.zip")
    gate.touch()
    out, err = going.communicate(timeout=60)
    assert going.returncode == 0, err
    resumed = elsewhere.say("resume", run_id, "--headless", "--json")
    assert resumed.code == 0, resumed.err
    for one in (json.loads(out), resumed.json):
        (node,) = [node for node in one["nodes"] if node["step"] == "task"]
        assert (node["attempts"], node["summary"]) == (1, "Done.")
        assert "x.txt" in {artifact["path"] for artifact in node["artifacts"]}
    assert elsewhere.say("db", "check").code == 0


def test_what_waits_for_a_person_waits_there_too(cockpit: Cockpit, elsewhere: Cockpit, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "story.jsonl").plans(step("first")).does("first", says("Done."))
    said = cockpit.say("run", "Plan.", "--headless", "--json", "--model", journal.model)
    assert said.code == 3, said.err
    carry(said.json["run_id"], cockpit, elsewhere, tmp_path / "waiting.zip")
    (approval,) = elsewhere.say("approvals", "--json").json["approvals"]
    assert [one["id"] for one in approval["shown"]["plan"]["steps"]] == ["first"]
    assert elsewhere.say("approve", approval["approval_id"], "--json").json["state"] == "approved"
    until(lambda: elsewhere.say("show", said.json["run_id"], "--json").json["state"] == "completed")
    assert cockpit.say("show", said.json["run_id"], "--json").json["state"] == "waiting_approval"


def test_nothing_of_it_starts_by_itself(cockpit: Cockpit, elsewhere: Cockpit, tmp_path: Path) -> None:
    """Its code is someone else's: a person has to say that it may go on."""
    journal = Journal(tmp_path / "story.jsonl").does("task", code("import time\ntime.sleep(600)"))
    going = cockpit.start("run", "Wait.", "--mode", "one-shot", "--headless", "--model", journal.model)
    run_id = cockpit.until_code_runs()
    os.kill(going.pid, signal.SIGKILL)
    going.communicate()
    file = tmp_path / "killed.zip"
    carry(run_id, cockpit, elsewhere, file)
    third = Cockpit(tmp_path / "third")
    said = third.say("import", str(file))
    assert "if you trust where it comes from" in said.err
    assert f"resume {run_id[-8:]}" in said.err

    async def opened() -> list[str]:
        engine = make_engine(load(elsewhere.environ), warm=False)
        await engine.open()
        try:
            return await engine.take_over()
        finally:
            await engine.close()

    assert asyncio.run(opened()) == []
    assert elsewhere.say("show", run_id, "--json").json["state"] == "executing"


def test_no_secret_is_in_it(cockpit: Cockpit, tmp_path: Path) -> None:
    """Neither the key that was used, nor what else stands in the environment."""
    planted = {"ANTHROPIC_API_KEY": "sk-ant-planted-4711", "MY_TOKEN": "planted-token-4712"}
    with OpenAIServer() as server:
        server.answer(
            call("run_code", filename="env.py", code="import os; print(sorted(os.environ))", explanation="look"),
            text("Looked."),
            role="engineer",
        )
        keys = {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url, **planted}
        said = cockpit.say(
            "run", "Look.", "--mode", "one-shot", "--headless", "--json", "--model", "openai:test-model", **keys
        )
        assert said.code == 0, said.err
        file = tmp_path / "session.zip"
        assert cockpit.say("export", said.json["run_id"], "--as", "zip", "--output", str(file), **keys).code == 0
    assert len(server.key) > 8
    with ZipFile(file) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist()) + file.read_bytes()
    assert b"Looked." in everything
    for secret in (server.key, *planted.values()):
        assert secret.encode() not in everything


def test_what_cannot_be_carried_is_said_in_words(finished: tuple[Cockpit, Any], tmp_path: Path) -> None:
    here, run = finished
    file, cut = tmp_path / "session.zip", tmp_path / "cut.zip"
    assert here.say("export", run["session_id"], "--as", "zip", "--output", str(file)).out.strip() == str(file)
    cut.write_bytes(file.read_bytes()[:-1000])
    third = str(tmp_path / "third")
    cases = [
        (here.say("import", str(file)), 1, "is here already"),
        (here.say("import", str(cut), CMBAGENT_HOME=third), 2, "cut off"),
        (here.say("import", str(file), "--max-size", "lots", CMBAGENT_HOME=third), 2, "'lots' is no size"),
        (here.say("export", run["run_id"], "--output", "x"), 2, "--as zip"),
        (here.say("export", "abcd", "--as", "zip"), 2, "there is no run or session 'abcd'"),
    ]
    for said, code_, words in cases:
        assert (said.code, said.out) == (code_, ""), said.err
        assert words in said.err
        assert "Traceback" not in said.err
    assert not list(tmp_path.rglob("import-*"))
    assert here.say("import", str(file), "--max-size", "1.5 MB", CMBAGENT_HOME=third).code == 0
