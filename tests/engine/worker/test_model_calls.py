"""Live models, as a server on loopback plays them: what goes over the wire, and what a person reads when it fails."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.model.frames import ModelSpec, Planning, UsageFrame, WorkerSpec
from engine.worker.models import inclusive_usage, patiently
from tests.support.openai_server import (
    Answer,
    CutInHalf,
    Hangup,
    NotJson,
    OpenAIServer,
    Refused,
    Silence,
    bad_call,
    call,
    calls,
    plan,
    review,
    text,
)
from tests.support.peer import Heard, attempt, planning_spec, step_spec

PLAN = {
    "title": "A plan",
    "steps": [
        {
            "id": "fit",
            "title": "Fit",
            "agent": "engineer",
            "instructions": ["fit it"],
            "depends_on": [],
            "outputs": ["a.npz"],
            "checks": [{"kind": "npz", "name": "shape", "path": "a.npz", "arrays": {"t": [-1]}}],
        }
    ],
}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def model(server: OpenAIServer, **more: Any) -> ModelSpec:
    values = {"provider": "openai", "name": "test-model", "base_url": server.base_url, "api_key": server.key}
    return ModelSpec.model_validate({**values, "timeout": 20.0, **more})


async def one(server: OpenAIServer, tmp_path: Path, **more: Any) -> Heard:
    heard = await attempt(step_spec(tmp_path, model=model(server, **more)))
    heard.check_nesting()
    key = more.get("api_key", server.key)
    assert key not in "\n".join(frame.model_dump_json() for frame in heard.frames)
    return heard


async def test_an_answer_streams_and_is_reported_once_whole(server: OpenAIServer, tmp_path: Path) -> None:
    words = "The oscillator is damped: gamma is 0.137 ± 0.018, and the undamped model is excluded."
    server.answer(text(words, tokens=(1200, 80, 1000, 30)))
    heard = await one(server, tmp_path)
    assert heard.result.ok and heard.result.summary == words
    start = heard.events("model_call", "start")[0]
    assert start.data == {"model": "openai:test-model", "sequence": 1, "replayed": False, "scripted": False}
    assert heard.streamed(start) == words and len(heard.of(type(heard.frames[0]))) == 1
    assert sum(frame.type == "delta" for frame in heard.frames) > 3
    assert heard.said("assistant") == [words]
    (usage,) = heard.of(UsageFrame)
    assert (usage.provider, usage.model, usage.event) == ("openai", "test-model", start.id)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (1200, 80, 1000)
    (request,) = server.requests
    assert request.body["stream"] is True and request.tools == ["run_code", "read_file", "list_files", "write_text"]
    assert request.headers["authorization"] == f"Bearer {server.key}"


async def test_an_engineer_works_with_its_tools(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(
        calls(
            call("run_code", filename="a.py", code="print(1)", explanation="first"),
            call("run_code", filename="b.py", code="print(2)", explanation="second"),
            call("list_files"),
        ),
        text("Done."),
    )
    heard = await one(server, tmp_path)
    assert heard.result.ok
    first, second, listing = server.requests[1].results
    assert "codebase/a.py ended with exit code 0.\nstdout:\n1" in first
    assert "codebase/b.py ended with exit code 0.\nstdout:\n2" in second
    assert listing == "codebase/a.py  8\ncodebase/b.py  8"


async def test_calls_that_cannot_be_are_answered_with_what_is_wrong(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(
        calls(call("read_mind", of="the user"), bad_call("run_code", '{"filename": "a.py", "code": "print(1)')),
        calls(bad_call("list_files", "[1, 2]"), call("read_file", file="a.md"), call("read_file", path=7)),
        calls(call("write text!", x=1), call("read_file", path="nothing\u0000.md")),
        text("I give up."),
    )
    heard = await one(server, tmp_path)
    assert heard.result.ok and server.count == 4
    unknown, cut, listed, wrong, typed, odd, nul = server.requests[3].results
    assert unknown == "There is no tool 'read_mind'. The tools are: run_code, read_file, list_files, write_text."
    assert cut.startswith("The arguments of run_code are not a JSON object, so nothing was done. Send them again")
    assert listed.startswith("The arguments of list_files are not a JSON object")
    assert "it takes no argument 'file'; 'path' is missing. read_file takes: path, start, lines." in wrong
    assert "'path' must be of type string, not 7" in typed
    assert odd.startswith("There is no tool 'write_text_'")
    assert "is not a file path" in nul
    for said in server.requests[3].results:
        assert "Traceback" not in said and "File " not in said
    assert not heard.events("code_exec")
    assert [one.data["ok"] for one in heard.events("tool_call", "end")] == [False] * 7


async def test_a_planner_gets_a_strict_schema_and_its_plan_comes_back(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(text("I would rather talk about it."), plan(PLAN), plan(PLAN), role="planner")
    server.answer(review("use a seed"), role="plan_reviewer")
    heard = await attempt(planning_spec(tmp_path, model=model(server), planning=Planning()))
    assert heard.result.ok and heard.result.plan is not None
    assert heard.result.plan.steps[0].checks[0].model_dump()["arrays"] == {"t": (-1,)}
    assert [one.role for one in server.requests] == ["planner", "planner", "plan_reviewer", "planner"]
    form = server.requests[0].body["response_format"]["json_schema"]
    assert form["strict"] is True and form["name"] == "plan"
    assert "use a seed" in str(server.requests[3].last["content"])


async def test_a_wrong_key(server: OpenAIServer, tmp_path: Path) -> None:
    heard = await one(server, tmp_path, api_key="sk-wr0ng-and-secret")
    assert heard.category == "auth"
    assert heard.why == (
        f"the model server at {server.base_url} refused the API key (401)\n"
        "Check OPENAI_API_KEY, and that the key may use test-model."
    )
    assert server.count == 1


async def test_a_model_that_the_server_does_not_know(server: OpenAIServer, tmp_path: Path) -> None:
    heard = await one(server, tmp_path, name="gpt-17")
    assert heard.category == "model_not_found"
    assert "knows no model 'gpt-17' (404: The model `gpt-17` does not exist" in heard.why
    assert "Check the model's name" in heard.why


async def test_a_dead_server(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    spec = ModelSpec(provider="openai", name="test-model", base_url=url, api_key="sk-secret", retries=0)
    heard = await attempt(step_spec(tmp_path, model=spec))
    assert heard.category == "network"
    assert f"the model server at {url} cannot be reached" in heard.why and "OPENAI_BASE_URL" in heard.why


async def test_a_rate_limit_is_waited_for(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(Refused(429, "Slow down", retry_after=0.3), text("Done."))
    heard = await one(server, tmp_path)
    assert heard.result.ok and server.count == 2
    assert server.requests[1].at - server.requests[0].at >= 0.3, "Retry-After is obeyed"


async def test_a_rate_limit_that_stays(server: OpenAIServer, tmp_path: Path) -> None:
    server.always(Refused(429, "You exceeded your current quota", retry_after=0.01))
    heard = await one(server, tmp_path)
    assert heard.category == "rate_limit" and server.count == 3
    assert "refused, 2 retries included (429: You exceeded your current quota)" in heard.why


async def test_a_server_that_fails_and_recovers(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(Refused(500, retry_after=0.01), Refused(503, retry_after=0.01), text("Done."))
    assert (await one(server, tmp_path)).result.ok
    server.always(Refused(500, "The server had an error", retry_after=0.01))
    heard = await one(server, tmp_path)
    assert heard.category == "api_error"
    assert "failed 3 times (500: The server had an error)" in heard.why


@pytest.mark.parametrize("politely", [True, False])
async def test_a_stream_that_is_cut_in_half(server: OpenAIServer, tmp_path: Path, politely: bool) -> None:
    server.answer(CutInHalf(politely=politely))
    heard = await one(server, tmp_path)
    assert heard.category == "network"
    assert "the answer of openai:test-model broke off in the middle" in heard.why
    assert "Nothing of the half answer was used" in heard.why
    assert not heard.said("assistant") and heard.result.summary == ""


@pytest.mark.parametrize("in_stream", [True, False])
async def test_an_answer_that_is_not_json(server: OpenAIServer, tmp_path: Path, in_stream: bool) -> None:
    server.answer(NotJson(in_stream=in_stream))
    heard = await one(server, tmp_path)
    assert heard.category == "api_error"
    assert "is not the JSON that was asked for" in heard.why and "a proxy in front of it" in heard.why


@pytest.mark.parametrize("silence", [Silence(), Silence(after="The beginning")])
async def test_an_answer_that_never_comes(server: OpenAIServer, tmp_path: Path, silence: Silence) -> None:
    server.answer(silence)
    heard = await one(server, tmp_path, timeout=0.6)
    assert heard.category == "timeout"
    assert "openai:test-model gave no answer within 0.6 s" in heard.why


async def test_a_connection_closed_without_a_word(server: OpenAIServer, tmp_path: Path) -> None:
    server.always(Hangup())
    heard = await one(server, tmp_path, retries=0)
    assert heard.category == "network" and server.count == 1
    assert "broke off" in heard.why or "cannot be reached" in heard.why


async def test_a_refused_request_says_what_the_server_said(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(Refused(400, f"context length exceeded\x1b[2J (key {server.key})"))
    heard = await one(server, tmp_path)
    assert heard.category == "context_length"
    assert "(400: context length exceeded (key [redacted]))" in heard.why


async def test_text_from_a_model_is_made_safe(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(text("Done\x1b]52;c;AAAA\x07 and \u202edone\x9b2J \ud800"))
    heard = await one(server, tmp_path)
    assert heard.result.ok
    for said in (heard.result.summary, heard.said("assistant")[0], heard.streamed(heard.events("model_call")[0])):
        assert said.startswith("Done") and not set(said) & {"\x1b", "\x07", "\u202e", "\x9b", "\ud800"}


async def test_no_key_and_no_server(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, model=ModelSpec(provider="openai", name="gpt-5")))
    assert heard.category == "auth" and "Set OPENAI_API_KEY" in heard.why


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "ollama"])
async def test_a_provider_whose_package_is_missing(tmp_path: Path, provider: str, monkeypatch: Any) -> None:
    import sys

    for package in ("anthropic", "google.genai", "google.auth", "ollama", f"ag2.config.{provider}"):
        monkeypatch.setitem(sys.modules, package, None)
    heard = await attempt(step_spec(tmp_path, model=ModelSpec(provider=provider, name="m", api_key="key-of-theirs")))
    assert heard.category == "setup"
    assert f"models of {provider} need a package that is not installed" in heard.why
    assert f"pip install 'cmbagent-tui[{provider}]'" in heard.why


def test_token_counts_are_made_alike() -> None:
    from ag2.events import Usage

    usage = Usage(
        prompt_tokens=100,
        completion_tokens=20,
        cache_read_input_tokens=30,
        cache_creation_input_tokens=5,
        thinking_tokens=7,
    )
    assert inclusive_usage("openai", usage) == (100, 20, 30)
    assert inclusive_usage("anthropic", usage) == (135, 20, 30)
    assert inclusive_usage("gemini", usage) == (100, 27, 30)
    assert inclusive_usage("ollama", Usage()) == (0, 0, 0)


class _Unwell(Exception):
    def __init__(self, status: int, **headers: str) -> None:
        self.status_code = status
        self.response = type("Response", (), {"headers": {"retry-after": "0", **headers}})


@pytest.mark.parametrize(("provider", "status", "asked"), [("ollama", 503, 3), ("gemini", 401, 1), ("openai", 503, 1)])
async def test_clients_that_do_not_retry_are_helped(provider: str, status: int, asked: int) -> None:
    tries: list[int] = []

    async def ask() -> str:
        tries.append(1)
        raise _Unwell(status)

    with pytest.raises(_Unwell):
        await patiently(ModelSpec(provider=provider, name="m", retries=2), ask)
    assert len(tries) == asked


async def test_models_differ_by_role(server: OpenAIServer, tmp_path: Path) -> None:
    with OpenAIServer(models=("critic",)) as other:
        server.answer(plan(PLAN))
        other.answer(review())
        spec = planning_spec(tmp_path, model=model(server), planning=Planning())
        critic = model(other, name="critic")
        heard = await attempt(
            WorkerSpec.model_validate({**spec.model_dump(), "models": {**spec.models, "plan_reviewer": critic}})
        )
        assert heard.result.ok and (server.count, other.count) == (1, 1)


async def test_an_answer_cut_by_its_length_is_no_plan(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(Answer('{"title": "A plan", "ste', finish="length"), plan(PLAN))
    heard = await attempt(planning_spec(tmp_path, model=model(server), planning=Planning(reviews=0)))
    assert heard.result.ok and server.count == 2
    assert "it is not JSON" in str(server.requests[1].last["content"])
