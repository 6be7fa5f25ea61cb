"""An attempt that replays an earlier one: it is given the answers, runs the tools, and records all of it as its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.frames import JournalFrame, RecordedEntry, Replay, WorkerSpec
from engine.worker.failures import AttemptFailed
from engine.worker.journal import Journal, human_request
from engine.worker.replayed import difference, digest_line
from tests.support.peer import Heard, attempt, runs, says, step_spec

COUNTS = "open('count', 'a').write('x'); print(len(open('count').read()))"


def lines_of(heard: Heard) -> dict[tuple[str, int], tuple[str, ...]]:
    return {(one.agent, one.sequence): tuple(one.request) for one in heard.of(JournalFrame)}


def replaying(spec: WorkerSpec, first: Heard, *, strict: bool = False) -> WorkerSpec:
    """A new attempt that is given the models' answers of the first one, and nothing that could answer else."""
    lines = lines_of(first)
    entries = tuple(
        entry.model_copy(update={"request": lines[entry.agent, entry.sequence]})
        for entry in first.recorded()
        if entry.kind != "tool"
    )
    texts = tuple(first.said("user") + first.said("system") + first.said("tool"))
    replay = Replay(strict=strict, entries=entries, texts=texts)
    return spec.model_copy(update={"attempt_id": "another", "scripted": (), "replay": replay})


async def test_a_replay_gives_the_models_answers_and_runs_the_tools(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    spec = step_spec(tmp_path / "one", runs(1, COUNTS), says("Done.", 2, prompt_tokens=7))
    first = await attempt(spec)
    there = spec.model_copy(update={"workdir": str(tmp_path / "two")})
    second = await attempt(replaying(there, first, strict=True))
    assert second.result.ok and second.result.summary == "Done."
    assert (tmp_path / "two" / "count").read_text() == "x", "its program really ran"
    assert first.of(JournalFrame) and lines_of(second) == lines_of(first), "its journal is as whole as the first one"
    assert second.recorded() == first.recorded()
    assert {one.data["replayed"] for one in second.events("model_call")} == {True}
    assert {one.data["replayed"] for one in second.events("tool_call", "end")} == {False}
    for role in ("system", "user", "assistant", "tool"):
        assert second.said(role) == first.said(role)
    assert not [one for one in second.frames if one.type == "usage"], "nothing was used"
    second.check_nesting()


async def test_a_replay_goes_on_from_its_own_journal_first(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, runs(1, COUNTS), says("Done.", 2))
    first = await attempt(spec)
    again = replaying(spec, first)
    second = await attempt(again)
    assert (tmp_path / "count").read_text() == "xx"
    known = tuple(one for one in second.recorded() if one.sequence <= 2)
    third = await attempt(again.model_copy(update={"recorded": known}))
    assert third.result.ok
    assert (tmp_path / "count").read_text() == "xx"
    assert [one.sequence for one in third.of(JournalFrame)] == [3]


async def test_a_replay_has_no_model_to_ask(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, runs(1, "print(1)"), says("Done.", 2))
    replay = replaying(spec, await attempt(spec))
    assert replay.replay is not None
    cut = replay.replay.model_copy(update={"entries": replay.replay.entries[:1]})
    heard = await attempt(replay.model_copy(update={"replay": cut, "scripted": spec.scripted}))
    assert heard.category == "journal"
    assert "model call 2 of engineer (entry 3 of its journal) has no recorded answer" in heard.why
    assert "asks nobody" in heard.why


async def test_strict_names_the_message_and_shows_both_texts(tmp_path: Path) -> None:
    spec = step_spec(tmp_path, runs(1, COUNTS), says("Done.", 2))
    first = await attempt(spec)
    heard = await attempt(replaying(spec, first, strict=True))
    assert heard.category == "journal"
    assert (
        "model call 2 of engineer (entry 3 of its journal) is not the recorded one: message 4 (tool run_code)"
        in heard.why
    )
    assert "\n-1\n" in heard.why and "\n+2\n" in heard.why
    other = replaying(spec.model_copy(update={"task": "Another task"}), first, strict=True)
    assert "message 2 (user) is another one:" in (await attempt(other)).why


def given(kind: str, request_hash: str, *, strict: bool) -> Journal:
    entry = RecordedEntry.model_validate(
        {"agent": "a", "sequence": 1, "kind": kind, "request_hash": request_hash, "answer": {"content": "yes"}}
    )
    return Journal((), None, None, Replay(strict=strict, entries=(entry,)))  # type: ignore[arg-type]


def test_people_are_not_asked_again() -> None:
    asked = human_request("Go on?")
    entry = given("human", asked.hash, strict=True).given("a", 1, "human", asked, "a question to a person")
    assert entry is not None and entry.answer == {"content": "yes"}
    other = human_request("Go on now?")
    entry = given("human", asked.hash, strict=False).given("a", 1, "human", other, "a question to a person")
    assert entry is not None
    with pytest.raises(AttemptFailed, match="is not the recorded one"):
        given("human", asked.hash, strict=True).given("a", 1, "human", other, "a question to a person")
    with pytest.raises(AttemptFailed, match=r"a question to a person of a .* has no recorded answer"):
        given("model", asked.hash, strict=False).given("a", 1, "human", asked, "a question to a person")


def test_a_difference_is_short_whatever_differs() -> None:
    long = [("system", "s"), ("user", "\n".join(f"line {number}" for number in range(5000)))]
    lines = [digest_line(role, text) for role, text in long]
    now = [("system", "s"), ("user", "\n".join(f"other {number}" for number in range(5000)))]
    said = difference(lines, now, [long[1][1]])
    assert said.startswith("message 2 (user) is another one:\n@@")
    assert "-line 5\n" in said and "+other 5\n" in said and "more lines" in said
    assert len(said) < 2000
    assert "- user, 48,889 characters" in difference(lines, now, []), "without the text, its digest is shown"
    assert difference(lines, long[:1], []).startswith("message 2 is missing now: user, ")
    assert difference(lines[:1], long, []).startswith("message 2 is new: user, ")
    huge = [("tool run_code", "x" * 300_000)]
    said = difference([digest_line(*huge[0])], [("tool run_code", "y" * 300_001)], [huge[0][1]])
    assert "- 300,000 characters" in said and "+ 300,001 characters" in said
