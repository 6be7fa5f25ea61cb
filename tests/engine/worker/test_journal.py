"""The journal: nothing is seen before it is durable, and what is known is neither asked nor done again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.model.frames import FilesFrame, JournalFrame, ModelSpec, Planning, RecordedEntry, WorkerSpec
from engine.worker.channel import Refused
from tests.support.openai_server import OpenAIServer, call, calls, plan, review, text
from tests.support.peer import Heard, attempt, planning_spec, runs, says, step_spec

CODE = (
    "print(open('count').read() if __import__('os').path.exists('count') else 'fresh'); open('count', 'a').write('x')"
)
PLAN = {"title": "P", "steps": [{"id": "a", "title": "A", "agent": "engineer", "instructions": ["x"]}]}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def live(server: OpenAIServer) -> ModelSpec:
    return ModelSpec(provider="openai", name="test-model", base_url=server.base_url, api_key=server.key)


def again(spec: WorkerSpec, recorded: tuple[RecordedEntry, ...]) -> WorkerSpec:
    return spec.model_copy(update={"recorded": recorded})


def entries(heard: Heard) -> list[tuple[str, int, str, str, bool]]:
    return [(one.agent, one.sequence, one.kind, one.name, one.answer is not None) for one in heard.of(JournalFrame)]


async def test_calls_are_numbered_in_the_order_in_which_they_begin(server: OpenAIServer, tmp_path: Path) -> None:
    several = calls(
        call("run_code", filename="a.py", code="print(1)", explanation="a"),
        call("list_files"),
        call("no_such_tool"),
        call("run_code", filename="b.py", code="print(2)", explanation="b"),
    )
    server.answer(several, text("Done."))
    heard = await attempt(step_spec(tmp_path, model=live(server)))
    assert entries(heard) == [
        ("engineer", 1, "model", "test-model", True),
        ("engineer", 2, "tool", "run_code", False),
        ("engineer", 2, "tool", "run_code", True),
        ("engineer", 3, "tool", "list_files", False),
        ("engineer", 3, "tool", "list_files", True),
        ("engineer", 4, "tool", "no_such_tool", True),
        ("engineer", 5, "tool", "run_code", False),
        ("engineer", 5, "tool", "run_code", True),
        ("engineer", 6, "model", "test-model", True),
    ]


async def test_each_agent_counts_for_itself(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(plan(PLAN), plan(PLAN), role="planner")
    server.answer(review("more"), role="plan_reviewer")
    heard = await attempt(planning_spec(tmp_path, model=live(server), planning=Planning()))
    assert [one[:2] for one in entries(heard)] == [("planner", 1), ("plan_reviewer", 1), ("planner", 2)]


async def test_a_recorded_attempt_asks_nobody_and_runs_nothing(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(
        calls(call("run_code", filename="a.py", code=CODE, explanation="a"), call("write_text", path="a.md", text="x")),
        text("Done."),
    )
    spec = step_spec(tmp_path, model=live(server))
    first = await attempt(spec)
    assert first.result.ok and server.count == 2
    second = await attempt(again(spec, first.recorded()))
    assert second.result.ok and second.result.summary == "Done."
    assert server.count == 2, "no model is asked again"
    assert (tmp_path / "count").read_text() == "x", "no program runs again"
    assert not second.events("code_exec") and not second.of(JournalFrame)
    assert {one.data["replayed"] for one in second.events("model_call")} == {True}
    assert {one.data["replayed"] for one in second.events("tool_call", "end")} == {True}
    assert not [one for one in second.frames if one.type in ("usage", "message", "delta")], "told and paid for once"
    second.check_nesting()


async def test_a_recorded_plan_asks_nobody(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(plan(PLAN), plan(PLAN), role="planner")
    server.answer(review("more"), role="plan_reviewer")
    spec = planning_spec(tmp_path, model=live(server), planning=Planning())
    first = await attempt(spec)
    second = await attempt(again(spec, first.recorded()))
    assert second.result.plan == first.result.plan is not None and server.count == 3


async def test_an_attempt_continues_where_its_journal_ends(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(
        call("run_code", filename="a.py", code="1/0", explanation="a"),
        call("run_code", filename="a.py", code="print('good')", explanation="a"),
        text("Done."),
    )
    spec = step_spec(tmp_path, model=live(server))
    first = await attempt(spec)
    known = tuple(one for one in first.recorded() if one.sequence <= 2)
    server.answer(call("run_code", filename="b.py", code="print('again')", explanation="b"), text("Done again."))
    second = await attempt(again(spec, known))
    assert second.result.ok and second.result.summary == "Done again."
    assert server.count == 5, "one of three calls was known"
    asked = server.requests[3]
    assert [one["role"] for one in asked.messages] == ["system", "user", "assistant", "tool"]
    assert "ZeroDivisionError" in asked.results[0] and "failed run 1 of 3" in asked.results[0]
    assert [one[1] for one in entries(second)] == [3, 4, 4, 5], "what was known is not recorded again"


async def test_failed_runs_count_across_a_continuation(tmp_path: Path) -> None:
    answers = [runs(n, f"raise ValueError({n})") for n in (1, 2, 3)]
    spec = step_spec(tmp_path, *answers)
    first = await attempt(spec)
    known = tuple(one for one in first.recorded() if one.sequence <= 4)
    second = await attempt(again(spec, known))
    assert "3 of 3 attempts used" in second.why
    assert len(second.events("code_exec", "start")) == 1, "two of the three failures were known"


async def test_a_model_answer_is_durable_before_its_tools_start(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(call("write_text", path="a.md", text="x"), text("Done."))
    seen: list[tuple[str, bool, int]] = []

    async def slowly(frame: Any) -> None:
        # While the host has not acknowledged, nothing of what the frame promises may have begun.
        await asyncio.sleep(0.05)
        name = f"{frame.kind} {'answer' if frame.answer else 'intent'}" if frame.type == "journal" else frame.type
        seen.append((name, (tmp_path / "a.md").exists(), server.count))

    assert (await attempt(step_spec(tmp_path, model=live(server)), slowly)).result.ok
    assert seen == [
        ("model answer", False, 1),
        ("tool intent", False, 1),
        ("files", True, 1),
        ("tool answer", True, 1),
        ("model answer", True, 2),
        ("result", True, 2),
    ]


@pytest.mark.parametrize("refused", ["model", "intent", "files", "tool"])
async def test_what_the_host_refuses_is_not_acted_on(server: OpenAIServer, tmp_path: Path, refused: str) -> None:
    server.answer(call("write_text", path="a.md", text="x"), text("Done."))

    async def refuse(frame: Any) -> str | None:
        kind = frame.type
        if kind == "journal":
            kind = "intent" if frame.answer is None else frame.kind
        return "the disk is full" if kind == refused else None

    with pytest.raises(Refused, match="the disk is full"):
        await attempt(step_spec(tmp_path, model=live(server)), refuse)
    assert server.count == 1
    assert (tmp_path / "a.md").exists() == (refused in ("files", "tool"))


async def test_a_tool_whose_outcome_is_unknown_asks_again_how_it_may_start(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, runs(1, CODE), says("Done.", 2))
    first = await attempt(spec)
    assert first.result.ok
    model, tool, last = first.recorded()
    known = (model, tool.model_copy(update={"answer": None}))
    second = await attempt(again(spec, known))
    assert second.result.ok
    assert [one[1:] for one in entries(second)] == [
        (2, "tool", "run_code", False),  # what a person has made of the call since stands with the host
        (2, "tool", "run_code", True),
        (3, "model", "test.jsonl", True),
    ]
    assert (tmp_path / "count").read_text() == "xx" and last.answer is not None


async def test_a_record_of_another_request_stops_the_attempt(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, says("Done.", 1))
    first = await attempt(spec)
    changed = await attempt(again(spec.model_copy(update={"task": "Another task"}), first.recorded()))
    assert changed.category == "journal"
    assert "the recorded answer 1 of engineer (model test.jsonl) belongs to another request" in changed.why
    lenient = tuple(one.model_copy(update={"request_hash": ""}) for one in first.recorded())
    assert (await attempt(again(spec.model_copy(update={"task": "Another task"}), lenient))).result.ok


async def test_a_damaged_record_is_said_to_be(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, says("Done.", 1))
    (known,) = (await attempt(spec)).recorded()
    for answer in ({}, {"response": 7}, {"response": {"message": {"__event__": "os.system"}}}, {"events": "x"}):
        heard = await attempt(again(spec, (known.model_copy(update={"answer": answer}),)))
        assert heard.category == "journal", answer
    evil = {"response": {"message": {"__dataclass__": "subprocess.Popen", "data": {"args": ["touch", "evil"]}}}}
    heard = await attempt(again(spec, (known.model_copy(update={"answer": evil}),)))
    assert "subprocess.Popen is not to be imported" in heard.why


async def test_requests_are_the_same_for_the_same_work_anywhere(server: OpenAIServer, tmp_path: Path) -> None:
    hashes: list[list[str]] = []
    for name in ("here", "there"):
        workdir = tmp_path / name
        workdir.mkdir()
        server.answer(call("run_code", filename="a.py", code="open('no/such')", explanation="a"), text("Done."))
        heard = await attempt(step_spec(workdir, model=live(server), step={"checks": []}))
        hashes.append([one.request_hash for one in heard.of(JournalFrame)])
    assert hashes[0] == hashes[1], "no id, time or path of one try is part of a request"


async def test_a_request_has_one_short_line_per_message(tmp_path: Path) -> None:
    heard = await attempt(step_spec(tmp_path, runs(1, "print(1)"), says("Done.", 2)))
    lines = heard.of(JournalFrame)[-1].request
    assert [line.split()[0] for line in lines] == ["system", "user", "assistant", "tool", "tools"]
    assert all(len(line) < 160 for line in lines)


async def test_what_is_recorded_survives_json(server: OpenAIServer, tmp_path: Path) -> None:
    server.answer(call("run_code", filename="a.py", code="print('é ✓')", explanation="ü"), text("Fertig: ✓"))
    spec = step_spec(tmp_path, model=live(server))
    first = await attempt(spec)
    stored = [RecordedEntry.model_validate(json.loads(json.dumps(one.model_dump()))) for one in first.recorded()]
    assert (await attempt(again(spec, tuple(stored)))).result.summary == "Fertig: ✓"
    assert first.of(FilesFrame)
