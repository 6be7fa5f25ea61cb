"""A provider that fails in every way there is, over the wire: what it is taken for, whether and when it is asked again,
and how often it was.

Time is the tests': what a server asks to wait for is waited for by setting the clock on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from engine.model.events import EventKind
from engine.model.failures import Category, kind_of
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import step
from tests.support.openai_server import (
    Answer,
    CutInHalf,
    Hangup,
    Move,
    NotJson,
    OpenAIServer,
    Refused,
    Silence,
    call,
    text,
)
from tests.support.retries import CLIENT, LIVE, TWICE, Hands, begin, decisions, impatient, live, tries

SOON = 0.01  # seconds: the provider's client waits for these itself


@dataclass(frozen=True)
class Way:
    """How a provider fails, how often its client asks in one attempt, and what the attempt has failed of. `wait` are
    the least and the most seconds until it is tried again; None: it is not."""

    move: Move
    asked: int
    kind: str
    category: Category
    wait: tuple[float, float] | None = None


C = Category
DOUBLED = (1.0, 2.0)  # the first of those that double
WAYS: dict[str, Way] = {
    # What stays as it is
    "key": Way(Refused(401, "Incorrect API key provided"), 1, "auth", C.PERMISSION),
    "forbidden": Way(Refused(403, "Country, region, or territory not supported"), 1, "auth", C.PERMISSION),
    "model": Way(Refused(404, "The model does not exist"), 1, "model_not_found", C.API_ERROR),
    "billing": Way(Refused(402, "Payment required"), 1, "quota", C.RATE_LIMIT),
    "quota": Way(Refused(429, "You exceeded your quota", SOON, "insufficient_quota"), CLIENT, "quota", C.RATE_LIMIT),
    "context": Way(
        Refused(400, "This model's maximum context length is 8192 tokens", code="context_length_exceeded"),
        1,
        "context_length",
        C.API_ERROR,
    ),
    "filter": Way(
        Refused(400, "The prompt triggered the content policy", code="content_filter"),
        1,
        "content_filter",
        C.PERMISSION,
    ),
    "filtered": Way(Answer("I was about to", finish="content_filter"), 1, "content_filter", C.PERMISSION),
    "request": Way(Refused(400, "Unsupported parameter"), 1, "request_refused", C.API_ERROR),
    "tomorrow": Way(Refused(429, "Come back tomorrow", retry_after=86_400), 1, "rate_limit", C.RATE_LIMIT),
    # What passes
    "seconds": Way(Refused(429, "Slow down", retry_after=600), 1, "rate_limit", C.RATE_LIMIT, (600, 750)),
    "date": Way(Refused(429, "Slow down", 600, as_date=True), 1, "rate_limit", C.RATE_LIMIT, (598, 752)),
    "limited": Way(Refused(429, "Slow down", SOON), CLIENT, "rate_limit", C.RATE_LIMIT, (SOON, SOON * 1.25)),
    "broken": Way(Refused(500, "Oops", SOON), CLIENT, "api_error", C.API_ERROR, (SOON, SOON * 1.25)),
    "maintained": Way(Refused(503, "Maintenance", retry_after=900), 1, "api_error", C.API_ERROR, (900, 1125)),
    "slow": Way(Refused(408, "Too slow", retry_after=300), 1, "timeout", C.TIMEOUT, (300, 375)),
    "silent": Way(Silence(), 1, "timeout", C.TIMEOUT, DOUBLED),
    "stalled": Way(Silence(after="Well, "), 1, "timeout", C.TIMEOUT, DOUBLED),
    "reset": Way(CutInHalf(), 1, "network", C.NETWORK, DOUBLED),
    "ended": Way(CutInHalf(politely=True), 1, "network", C.NETWORK, DOUBLED),
    "hangup": Way(Hangup(), CLIENT, "network", C.NETWORK, DOUBLED),
    "page": Way(NotJson(), 1, "api_error", C.API_ERROR, DOUBLED),
    "garbage": Way(NotJson(in_stream=True), 1, "api_error", C.API_ERROR, DOUBLED),
    "empty": Way(text(""), 1, "empty_answer", C.API_ERROR, DOUBLED),
}
PASSING = {name: way for name, way in WAYS.items() if way.wait is not None}
LASTING = {name: way for name, way in WAYS.items() if way.wait is None}
OPTIONS = {**LIVE, "max_parallel": 8, "model_timeout": 4.0}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def asked(server: OpenAIServer, name: str) -> int:
    """How often the server was asked about a step."""
    return sum(f"About {name}." in one.first for one in server.requests)


def steps(ways: dict[str, Way]) -> list[dict[str, object]]:
    return [step(name, title=f"About {name}.") for name in ways]


def test_the_ways_are_twelve_or_more_and_their_policies_are_those_of_the_table() -> None:
    assert len(WAYS) >= 12
    for name, way in WAYS.items():
        kind = kind_of(way.kind)
        assert kind.category is way.category, name
        if way.wait is not None:
            assert kind.policy.most != 0 and kind.policy.continues, name
        elif name != "tomorrow":  # which comes too late to be waited for
            assert kind.policy.most == 0, name


async def test_what_passes_is_asked_again_when_the_time_has_come_and_not_before(lab: Lab, server: OpenAIServer) -> None:
    for name, way in PASSING.items():
        server.answer(*[way.move] * way.asked, text(f"Done with {name}."), about=f"About {name}.")
    clock = Hands()
    engine = await lab.engine(clock=clock, **live(server))
    run_id = await begin(engine, lab, *steps(PASSING), **OPTIONS)
    async with impatient(engine, run_id, clock):
        run = await engine.wait(run_id)
    assert run.state is RunState.COMPLETED, run.error
    view = await engine.view(run_id)
    names = {node.id: node.step for node in view.nodes}
    found = {names[one.node_id or ""]: one for one in await decisions(engine, run_id)}
    for name, way in PASSING.items():
        assert way.wait is not None
        data, (least, most) = found[name].data, way.wait
        assert (data["kind"], data["category"]) == (way.kind, way.category), name
        assert least <= data["wait"] <= most, (name, data["wait"])
        assert tries(view)[name] == TWICE, name
        assert asked(server, name) == way.asked + 1, name
        first, second = sorted((one for one in view.attempts if names[one.node_id] == name), key=lambda one: one.number)
        assert first.ended_at is not None
        assert (second.started_at - first.ended_at).total_seconds() >= min(data["wait"], least) - 0.1, name
        assert second.summary == f"Done with {name}."


async def test_what_stays_is_asked_once_and_says_what_to_do(lab: Lab, server: OpenAIServer) -> None:
    for name, way in LASTING.items():
        server.always(way.move, about=f"About {name}.")
    engine = await lab.engine(**live(server))
    run_id = await begin(engine, lab, *steps(LASTING), **OPTIONS)
    assert (await engine.wait(run_id)).state is RunState.FAILED
    view = await engine.view(run_id)
    names = {node.id: node.step for node in view.nodes}
    events = await engine.events(run_id, kinds=[EventKind.ERROR], limit=1000)
    errors = {names[one.node_id or ""]: one.data for one in events}
    for name, way in LASTING.items():
        assert (errors[name]["kind"], errors[name]["category"]) == (way.kind, way.category), name
        assert tries(view)[name] == [(1, "first", "failed")], name
        assert asked(server, name) == way.asked, name
        assert errors[name]["not_retried"], name
        assert errors[name]["hint"] or way.kind == "request_refused", name
    assert await decisions(engine, run_id) == []
    assert "what was said so far is longer than the model takes" in errors["context"]["not_retried"]
    assert "none may later than 3600 s" in errors["tomorrow"]["not_retried"]


async def test_what_never_passes_is_asked_as_often_as_its_retries_allow_and_no_more(
    lab: Lab, server: OpenAIServer
) -> None:
    lasting = {name: replace(PASSING[name]) for name in ("broken", "seconds", "reset", "empty")}
    for name, way in lasting.items():
        server.always(way.move, about=f"About {name}.")
    clock = Hands()
    engine = await lab.engine(clock=clock, **live(server))
    run_id = await begin(engine, lab, *steps(lasting), **OPTIONS)
    async with impatient(engine, run_id, clock):
        assert (await engine.wait(run_id)).state is RunState.FAILED
    view = await engine.view(run_id)
    assert states(view) == {**dict.fromkeys(lasting, "failed"), "terminator": "skipped"}
    for name, way in lasting.items():
        assert [one[2] for one in tries(view)[name]] == ["failed"] * 3, name
        assert asked(server, name) == 3 * way.asked, name
    counts = {one.category.value: (one.failures, one.retried, one.resolved) for one in await engine.retries()}
    assert counts == {"api_error": (6, 4, 0), "rate_limit": (3, 2, 0), "network": (3, 2, 0)}


async def test_silence_after_work_is_no_empty_answer(lab: Lab, server: OpenAIServer) -> None:
    """A model that calls its tools and then says nothing is judged by what it left behind."""
    server.answer(call("write_text", path="a.md", text="# Here"), text(""), about="About quiet.")
    engine = await lab.engine(**live(server))
    run_id = await begin(engine, lab, step("quiet", title="About quiet.", outputs=["a.md"]), **OPTIONS)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    assert server.count == 2
