"""Budgets from the command line: a call past a ceiling is not made, a person raises it, and a kill forgets nothing."""

from __future__ import annotations

import signal
import time

from tests.support.cockpit import PATIENCE, Cockpit
from tests.support.openai_server import OpenAIServer, Silence, call, text


def serve(server: OpenAIServer) -> dict[str, str]:
    return {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url, "CMBAGENT_MODEL": "openai:test-model"}


def test_a_ceiling_is_told_raised_and_gone_on_from(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        server.answer(*[call("run_code", filename="a.py", code="print(1)", explanation="a")] * 2, text("Done."))
        begin = ("run", "Count.", "--headless", "--json", "--mode", "one-shot", "--max-calls", "1")
        said = cockpit.say(*begin, "--approval", "on_error", **serve(server))
        assert said.code == 3, said.err
        assert "The budget is reached" in said.err and "raise it" in said.err
        waiting = said.json
        assert waiting["budget"] == {"calls": {"of": 1, "used": 1, "left": 0}}
        run_id = waiting["run_id"]
        assert cockpit.say("approve", run_id, "--feedback", "more").code == 2
        assert cockpit.say("approve", run_id, "--feedback", "5", **serve(server)).code == 0
        run = cockpit.when_over(run_id)
        assert (run["state"], server.count) == ("completed", 3), run["error"]
        assert run["budget"] == {"calls": {"of": 6, "used": 3, "left": 3}}
        assert "3 of 6 calls" in cockpit.say("show", run_id).out

        server.always(call("run_code", filename="a.py", code="print(1)", explanation="a"))
        said = cockpit.say(*begin, "--max-tokens", "900000", **serve(server))
        assert (said.code, server.count) == (4, 4), said.err
        assert said.json["budget"]["tokens"] == {"of": 900_000, "used": 120, "left": 899_880}


def test_a_call_that_a_kill_broke_off_was_made(cockpit: Cockpit) -> None:
    with OpenAIServer() as server:
        server.always(Silence())
        said = ("run", "Count.", "--headless", "--mode", "one-shot", "--max-calls", "1", "--approval", "none")
        killed = cockpit.start(*said, **serve(server))
        deadline = time.monotonic() + PATIENCE
        while not server.count and time.monotonic() < deadline:
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        (run,) = cockpit.say("runs", "--json").json["runs"]
        said = cockpit.say("resume", run["run_id"], "--headless", "--json", **serve(server))
        assert (said.code, server.count) == (4, 1), said.err
        assert said.json["cost"]["calls"] == 1


def test_ceilings_that_are_none_are_refused(cockpit: Cockpit) -> None:
    for wrong in (("--max-time", "soon"), ("--max-calls", "0"), ("--max-tokens", "-5"), ("--max-answer", "0")):
        said = cockpit.say("run", "x", "--headless", *wrong, CMBAGENT_MODEL="openai:x")
        assert said.code == 2 and "Traceback" not in said.err, said.err
