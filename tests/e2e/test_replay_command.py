"""A run is run again from the command line: no model, real code, and every file beside what it was."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.e2e.test_demo_headless import hastened
from tests.e2e.test_demo_headless import run as run_demo
from tests.support import research
from tests.support.cockpit import Cockpit
from tests.support.openai_server import OpenAIServer, Silence, call, text


def environ_of(server: OpenAIServer) -> dict[str, str]:
    return {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url, "CMBAGENT_MODEL": "openai:test-model"}


def drawn(seed: Path) -> str:
    """A program that draws points with a seed that it reads outside of its directory."""
    return research.DATA.replace("random.seed(777)", f"random.seed(open({str(seed)!r}).read().strip())").replace(
        'print("40 points")', 'print("40 points, the last", round(2 * x + 1 + random.gauss(0, 0.1), 3))'
    )


def test_a_research_session_is_replayed_without_its_models(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        research.play(server)
        said = cockpit.say(
            *("run", "Find the slope.", "--headless", "--json", "--approval", "none"), timeout=110, **environ_of(server)
        )
        assert said.code == 0, said.err
        first = said.json["run_id"]
    said = cockpit.say("replay", first, "--strict", "--headless", "--json", timeout=110)
    assert said.code == 0, said.err
    run, replay = said.json, said.json["replay"]
    assert (run["state"], run["replay_of"], run["session_id"]) == ("completed", first, run["session_id"])
    assert {node["state"] for node in run["nodes"]} == {"completed"}
    assert run["cost"]["calls"] == 0
    assert (replay["of"], replay["strict"], replay["ok"], replay["requests_changed"]) == (first, True, True, 0)
    assert {file["path"] for file in replay["files"]} >= {"data/line.csv", "data/means.json", "report.md"}
    assert {file["likeness"] for file in replay["files"]} == {"identical"}
    assert replay["identical"] == len(replay["files"])
    assert replay["tolerance"]["rtol"] == 1e-6
    assert all(check["ok"] for node in run["nodes"] for check in node["checks"])

    listed = cockpit.say("runs", "--json").json["runs"]
    assert [one["replay_of"] for one in listed] == [first, None]
    assert "(replay of " in cockpit.say("runs").out
    shown = cockpit.say("show", run["run_id"]).out
    assert "no model is asked" in shown
    assert f"identical  report.md  the same {len(research_report())} bytes" in shown
    assert cockpit.say("show", run["run_id"], "--json").json["replay"] == replay
    assert cockpit.say("db", "check").code == 0


def research_report() -> str:
    return "# The slope\nBoth ways find a slope of about 2.\n"


def test_a_key_and_a_server_that_would_answer_are_not_used(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        server.answer(call("write_text", path="a.txt", text="a"), text("Written."), role="engineer")
        said = cockpit.say("run", "Write.", "--mode", "one-shot", "--headless", "--json", **environ_of(server))
        assert said.code == 0, said.err
        asked = server.count
        server.always(text("I was asked after all."))
        for _ in range(2):
            newest = cockpit.say("runs", "--json").json["runs"][0]["run_id"]
            said = cockpit.say("replay", newest, "--headless", "--json", **environ_of(server))
            assert said.code == 0, said.err
        assert server.count == asked


def test_what_changed_underneath_is_named_and_strict_stops_at_it(cockpit: Cockpit, tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_text("777")
    with OpenAIServer() as server:
        code = drawn(seed)
        server.answer(
            call("run_code", filename="draw.py", code=code, explanation="Draws"), text("Drawn."), role="engineer"
        )
        said = cockpit.say("run", "Draw.", "--mode", "one-shot", "--headless", "--json", **environ_of(server))
        assert said.code == 0, said.err
        first = said.json["run_id"]
    seed.write_text("778")

    said = cockpit.say("replay", first, "--headless")
    assert said.code == 1, said.err
    assert "1 identical, 1 different; 1 of 2 requests to models differ from the recorded ones" in said.out
    assert "DIFFERS    data/line.csv  row 2, column y: " in said.out
    assert "check FAILED: data/line.csv: differs: row 2, column y: " in said.err
    shown = cockpit.say("show", cockpit.say("runs", "--json").json["runs"][0]["run_id"], "--json").json
    assert (shown["state"], shown["replay"]["different"], shown["replay"]["ok"]) == ("completed", 1, False)

    said = cockpit.say("replay", first, "--strict", "--headless", "--json")
    assert said.code == 1, said.err
    assert said.json["state"] == "failed"
    (node,) = [one for one in said.json["nodes"] if one["step"] == "task"]
    assert "model call 2 of engineer (entry 3 of its journal) is not the recorded one" in node["error"]
    before, now = (next(line for line in node["error"].splitlines() if line.startswith(sign)) for sign in "-+")
    assert (
        before.startswith("-40 points, the last") and now.startswith("+40 points, the last") and before[1:] != now[1:]
    )
    assert "Without --strict" in said.err


def test_a_run_that_was_killed_and_went_on_is_replayed_whole(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        one = call("run_code", filename="one.py", code="open('one.txt', 'w').write('1')", explanation="one")
        two = call("run_code", filename="two.py", code="open('two.txt', 'w').write('2')", explanation="two")
        server.answer(one, Silence(), two, text("Both ran."), role="engineer")
        going = cockpit.start("run", "Count.", "--mode", "one-shot", "--headless", **environ_of(server))
        deadline = time.monotonic() + 60
        while server.count < 2:
            assert time.monotonic() < deadline, "the model was not asked"
            time.sleep(0.01)
        os.kill(going.pid, signal.SIGKILL)
        going.communicate()
        first = cockpit.say("runs", "--json").json["runs"][0]["run_id"]
        said = cockpit.say("resume", first, "--headless", "--json", **environ_of(server))
        assert said.code == 0, said.err
    said = cockpit.say("replay", first, "--strict", "--headless", "--json")
    assert said.code == 0, said.err
    paths = {file["path"] for file in said.json["replay"]["files"] if file["likeness"] == "identical"}
    assert paths == {"codebase/one.py", "codebase/two.py", "one.txt", "two.txt"}


def test_the_demo_is_replayed_to_the_same_figure_and_numbers(cockpit: Cockpit, tmp_path: Path) -> None:
    journal = hastened(tmp_path / "journal.jsonl")
    first = run_demo(cockpit, journal)
    assert first.code == 0, first.err
    journal.unlink()
    said = cockpit.say("replay", first.json["run_id"], "--headless", "--json", timeout=110)
    assert said.code == 0, said.err
    replay = said.json["replay"]
    found = {file["path"]: file["likeness"] for file in replay["files"]}
    assert found["data/oscillator.png"] in ("identical", "within_tolerance")
    assert found["data/fit_damped.json"] in ("identical", "within_tolerance")
    assert found["report.md"] == "identical"
    assert (replay["different"], replay["missing"], replay["added"]) == (0, 0, 0)


def test_the_app_says_what_it_replays(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        server.answer(call("write_text", path="a.txt", text="a"), text("Written."), role="engineer")
        said = cockpit.say("run", "Write.", "--mode", "one-shot", "--headless", "--json", **environ_of(server))
        assert said.code == 0, said.err
    with cockpit.terminal("replay", said.json["run_id"], columns=140, rows=40) as terminal:
        terminal.until("Completed in", "Replay of run", "no model is asked")
        terminal.keys("2")
        terminal.until("1 identical")
        terminal.keys("q")
        assert terminal.wait() == 0


def test_what_cannot_be_replayed_is_refused_with_the_reason(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        server.answer(call("write_text", path="a.txt", text="some words"), text("Written."), role="engineer")
        said = cockpit.say("run", "Write.", "--mode", "one-shot", "--headless", "--json", **environ_of(server))
        assert said.code == 0, said.err
    (file,) = cockpit.say("show", said.json["run_id"], "--files", "--json").json["files"]
    (stored,) = (path for path in (cockpit.home / "blobs").rglob(file["sha256"]))
    stored.chmod(0o600)
    stored.write_text("other words")
    refused = cockpit.say("replay", said.json["run_id"], "--headless")
    assert (refused.code, refused.out) == (1, "")
    assert "cannot be replayed: a.txt, written by task, " in refused.err
    assert "does not hash to its name" in refused.err
    assert "db check" in refused.err
    assert cockpit.say("replay", "0000", "--headless").code == 2
    assert len(cockpit.say("runs", "--json").json["runs"]) == 1
