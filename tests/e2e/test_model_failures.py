"""What a person reads when the model, or the server that it is reached through, fails.

Every way of failing is one step of one plan, so that a single run shows all of them; none of them may spoil another.
"""

from __future__ import annotations

import json

import pytest

from tests.support.cockpit import Cockpit, Said
from tests.support.journals import plan, step
from tests.support.openai_server import (
    CutInHalf,
    Hangup,
    Move,
    NotJson,
    OpenAIServer,
    Refused,
    Silence,
    bad_call,
    call,
    calls,
    review,
    text,
)
from tests.support.openai_server import plan as planned
from tests.support.reading import obeyed, told

KEY = "sk-test-5ecret-k3y"
RETRY = "Try the step again"
# step → what its model answers for ever, and what a person must read about it
FAILING: dict[str, tuple[Move, tuple[str, ...]]] = {
    "wrong_key": (
        Refused(401, f"Incorrect API key provided: {KEY}."),
        ("refused the API key (401)", "Check OPENAI_API_KEY, and that the key may use test-model"),
    ),
    "unknown_model": (Refused(404, "The model `test-model` does not exist"), ("knows no model", "Check the model's")),
    "too_much": (
        Refused(400, f"context length exceeded\x1b[2J\x1b]0;gone\x07 (key {KEY})"),
        ("refused the request", "400: context length exceeded", "(key [redacted])"),
    ),
    "quota": (
        Refused(429, "You exceeded your current quota", retry_after=0.01),
        ("2 retries included", "429: You exceeded your current quota", "run fewer steps in parallel"),
    ),
    "broken_server": (
        Refused(500, "the machine room is on fire", retry_after=0.01),
        ("failed 3 times", "500: the machine room is on fire", "Try the step again later"),
    ),
    "cut": (CutInHalf(), ("broke off in the middle", "Nothing of the half answer was used", RETRY)),
    "ended": (CutInHalf(politely=True), ("broke off in the middle", "Nothing of the half answer was used", RETRY)),
    "hotel": (NotJson(), ("it is not the JSON that was asked for", "a proxy in front of it (OPENAI_BASE_URL)")),
    "garbage": (NotJson(in_stream=True), ("it is not the JSON that was asked for", "a proxy in front of it")),
    "hangup": (Hangup(), ("broke off", RETRY)),
}
RECOVERING: dict[str, tuple[tuple[Move, ...], tuple[str, ...]]] = {
    "limited": ((Refused(429, "Slow down", retry_after=0.3),), ()),
    "restarted": ((Refused(500, "Oops", retry_after=0.01), Refused(503, "Soon", retry_after=0.01)), ()),
    "no_such_tool": ((call("read_mind", of="the user"),), ("There is no tool 'read_mind'. The tools are: run_code",)),
    "half_arguments": (
        (bad_call("run_code", '{"filename": "a.py", "code": "print('),),
        ("The arguments of run_code are not a JSON object, so nothing was done",),
    ),
    "other_arguments": (
        (calls(bad_call("list_files", "[1, 2]"), call("read_file", file="a.md")),),
        ("The arguments of list_files are not a JSON object", "it takes no argument 'file'", "'path' is missing"),
    ),
}
CYCLE = plan(step("a", "b"), step("b", "c"), step("c", "a"))
IMPOSSIBLE = plan(step("a", "nowhere"), step("a", agent="astrologer"), step("c", outputs=["../../etc/passwd"]))


def serve(server: OpenAIServer, **more: str) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": server.key,
        "OPENAI_BASE_URL": server.base_url,
        "CMBAGENT_MODEL": "openai:test-model",
        **more,
    }


def carry_out(cockpit: Cockpit, server: OpenAIServer, names: list[str]) -> Said:
    """Run a plan whose steps depend on nothing, each answered by what was queued about it."""
    file = cockpit.home.parent / "plan.json"
    file.write_text(json.dumps(plan(*(step(name, title=f"About {name}.") for name in names))))
    said = cockpit.say("run", "Ask.", "--headless", "--retries", "0", "--plan", str(file), **serve(server))
    sane(said, cockpit)
    return said


def sane(said: Said, cockpit: Cockpit) -> None:
    """Neither a traceback nor the key nor anything for the terminal to obey was printed, and the key is on no disk."""
    for printed in (said.out, said.err):
        assert "Traceback" not in printed and KEY not in printed and not obeyed(printed)
    assert KEY.encode() not in b"".join(one.read_bytes() for one in cockpit.home.rglob("*") if one.is_file())


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Said:
    cockpit = Cockpit(tmp_path_factory.mktemp("failing") / "home")
    with OpenAIServer(key=KEY) as server:
        for name, (move, _) in FAILING.items():
            server.always(move, about=f"About {name}.")
        said = carry_out(cockpit, server, list(FAILING))
    assert cockpit.say("db", "check").code == 0
    return said


@pytest.fixture(scope="module")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> Said:
    cockpit = Cockpit(tmp_path_factory.mktemp("recovering") / "home")
    with OpenAIServer(key=KEY) as server:
        for name, (moves, _) in RECOVERING.items():
            server.answer(*moves, text(f"Done with {name}."), about=f"About {name}.")
        said = carry_out(cockpit, server, list(RECOVERING))
        waited = [request.at for request in server.requests if "About limited." in request.first]
    assert waited[1] - waited[0] >= 0.3, "Retry-After is obeyed"
    return said


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_for_good_is_told_with_the_way_out(failed: Said, name: str) -> None:
    assert failed.code == 1
    for words in FAILING[name][1]:
        assert words in told(failed.err, name)
    assert FAILING[name][1][0] in failed.out, "the result says it too"
    assert f"step {name}: " in failed.out.rpartition("Error: ")[2]


@pytest.mark.parametrize("name", RECOVERING)
def test_a_failure_that_passes_ends_well(recovered: Said, name: str) -> None:
    assert recovered.code == 0, recovered.err
    assert f"Done with {name}." in recovered.out
    for words in RECOVERING[name][1]:
        assert words in told(recovered.err, name)


def test_a_server_that_is_not_there(cockpit: Cockpit) -> None:
    with OpenAIServer(key=KEY) as server:
        environ = serve(server)
    said = cockpit.say("run", "x", "--headless", "--retries", "0", "--mode", "one-shot", **environ)
    sane(said, cockpit)
    assert said.code == 1
    assert f"the model server at {environ['OPENAI_BASE_URL']} cannot be reached" in said.err
    assert "Check that it runs and that the network lets you through (OPENAI_BASE_URL)" in said.err


def test_an_answer_that_never_comes_or_stops_coming(cockpit: Cockpit) -> None:
    cockpit.home.mkdir()
    (cockpit.home / "config.toml").write_text("model_timeout = 1.5\n")
    with OpenAIServer(key=KEY) as server:
        server.always(Silence(), about="About never.")
        server.always(Silence(after="The beginning"), about="About stops.")
        said = carry_out(cockpit, server, ["never", "stops"])
    assert said.code == 1
    for name in ("never", "stops"):
        assert "openai:test-model gave no answer within 1.5 s" in told(said.err, name)
        assert "allow a model call more time" in told(said.err, name)


def planning(cockpit: Cockpit, *moves: Move, last: Move, reviewer: Move | None = None) -> tuple[Said, OpenAIServer]:
    """A run with a planner that says this, and goes on saying the last."""
    with OpenAIServer(key=KEY) as server:
        server.answer(*moves, role="planner")
        server.always(last, role="planner")
        server.always(reviewer or review(), role="plan_reviewer")
        said = cockpit.say("run", "x", "--headless", "--retries", "0", **serve(server))
    sane(said, cockpit)
    return said, server


def test_a_planner_that_never_gives_a_plan_that_can_run(cockpit: Cockpit) -> None:
    said, server = planning(cockpit, text("I would rather talk about it."), planned(IMPOSSIBLE), last=planned(CYCLE))
    assert said.code == 1 and len(server.asked("planner")) == 3, "asked once, and sent back twice"
    planner = told(said.err, "planning")
    assert "it is not JSON" in planner
    for problem in (
        "step 'a': depends on 'nowhere', which is no step of this plan",
        "step 'a': the id is used twice",
        "unknown agent 'astrologer'; there are engineer, researcher",
        "'../../etc/passwd' leads outside the work directory",
    ):
        assert problem in planner, "each round's problems are told"
        assert problem in str(server.asked("planner")[2].last["content"]), "and sent back to the planner"
    for printed in (planner, said.out):
        assert "the planner's plan cannot run, after 2 repairs" in printed
        assert "the dependencies go round in a circle: a → b → c → a" in printed
    assert "use a stronger model for the planner, or give a plan with --plan" in planner


def test_a_reviewer_that_answers_nonsense_does_not_stop_the_plan(cockpit: Cockpit) -> None:
    good = planned(plan(step("only")))
    said, server = planning(cockpit, text(""), last=good, reviewer=text("bananas \x1b]52;c;QQ==\x07!"))
    assert said.code == 3, "the plan waits for a person"
    assert "plan_reviewer → planner: changes are asked for" in told(said.err, "planning")
    assert "bananas" in str(server.asked("planner")[-1].last["content"]), "the planner got it as a remark"
    run_id = cockpit.say("runs", "--json").json["runs"][0]["run_id"]
    assert "bananas" in cockpit.say("show", run_id, "--messages").out, "and a person can read what it said"


def test_the_app_shows_a_wrong_key_and_goes_on(cockpit: Cockpit) -> None:
    with (
        OpenAIServer(key=KEY) as server,
        cockpit.terminal(
            "run",
            "What is it?",
            "--mode",
            "one-shot",
            columns=120,
            rows=40,
            environ=serve(server, OPENAI_API_KEY="sk-wr0ng-k3y"),
        ) as terminal,
    ):
        terminal.until("failed", "refused the API key (401)", "OPENAI_API_KEY")
        terminal.keys("q")
        assert terminal.wait() == 0
        assert b"sk-wr0ng-k3y" not in terminal.raw and b"Traceback" not in terminal.raw
