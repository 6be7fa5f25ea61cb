"""Replay: a run that is over runs again with its recorded answers; its tools really run, and its files are compared."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.exports import run_json
from engine.model.comparison import Comparison, Likeness
from engine.model.errors import CockpitError, StorageError, UsageError
from engine.model.events import EventKind
from engine.model.options import ApprovalMode
from engine.model.plan import Plan
from engine.model.records import ApprovalState, Json, Mode, Run, RunView
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import code, plan, says, step, writes
from tests.support.openai_server import OpenAIServer, Refused, call, text

MAKES = "import os; os.makedirs('data', exist_ok=True)\n"


def measuring(file: Path) -> Json:
    """Code that measures something outside of its directory, prints it and writes it down."""
    return code(
        f"{MAKES}value = float(open({str(file)!r}).read())\nprint('measured', value)\n"
        "open('data/m.json', 'w').write('{\"value\": %r}' % value)\n",
        "measure.py",
    )


async def replayed(engine: Engine, run_id: str, *, strict: bool = False) -> tuple[Run, RunView, Comparison | None]:
    """Replay a run to its end."""
    run = await engine.replay(run_id, strict=strict)
    assert run.replay_of == run_id
    run = await engine.wait(run.id)
    return run, await engine.view(run.id), await engine.comparison(run.id)


def likenesses(found: Comparison | None) -> dict[str, str]:
    assert found is not None
    return {file.path: file.likeness.value for file in found.files}


def forget_the_models(lab: Lab) -> None:
    """Whoever wants an answer that was not recorded finds nothing."""
    lab.journal.path.unlink()


async def test_a_plan_is_replayed_with_its_tools_and_no_model(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "meter").write_text("1.5")
    counts = tmp_path / "counts"
    counts_too = code(f"open({str(counts)!r}, 'a').write('x'); open('b.txt', 'w').write('b')")
    lab.journal.does("a", measuring(tmp_path / "meter"), says("measured")).does("b", counts_too, says("written"))
    engine = await lab.engine()
    first, before = await lab.carry_out(engine, step("a", outputs=["data/m.json"]), step("b", "a"))
    forget_the_models(lab)
    run, view, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.COMPLETED, run.error
    assert (run.session_id, run.task, run.mode) == (first.session_id, first.task, first.mode)
    assert counts.read_text() == "xx", "its programs really ran again"
    assert found and found.ok and (found.requests, found.changed) == (4, 0)
    assert likenesses(found) == dict.fromkeys(
        ("b.txt", "codebase/measure.py", "codebase/step.py", "data/m.json"), "identical"
    )
    assert (view.cost.calls, view.cost.usd_micro) == (0, 0)
    said = [(one.role, one.content) for one in await engine.messages(run.id, limit=1000)]
    assert said == [(one.role, one.content) for one in await engine.messages(first.id, limit=1000)]
    assert {event.data["replayed"] for event in await engine.events(run.id, kinds=[EventKind.MODEL_CALL])} == {True}
    assert states(view) == states(before)


async def test_a_number_measured_anew_is_a_difference_that_is_named_and_kept(lab: Lab, tmp_path: Path) -> None:
    meter = tmp_path / "meter"
    meter.write_text("1.5")
    lab.journal.does("a", measuring(meter), says("measured"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    meter.write_text("1.75")
    run, view, found = await replayed(engine, first.id)
    assert run.state is RunState.COMPLETED, "lenient: the recorded answers are given all the same"
    assert found is not None and not found.ok
    (file,) = [one for one in found.files if not one.likeness.ok]
    assert (file.path, file.step, file.detail) == ("data/m.json", "a", "/value = 1.5, now 1.75")
    assert found.summary() == "1 identical, 1 different; 1 of 2 requests to models differ from the recorded ones"
    checks = await engine.events(run.id, kinds=[EventKind.CHECK])
    assert [(one.data["name"], one.data["ok"]) for one in checks[:-1]] == [
        ("data/m.json", False),
        ("codebase/measure.py", True),
    ]
    assert checks[-1].data["detail"] == found.summary()
    (end,) = [node for node in view.nodes if node.step == "terminator"]
    assert {one.node_id for one in checks} == {end.id}
    data = run_json(view, found)
    assert data["replay_of"] == data["replay"]["of"] == first.id
    assert (data["replay"]["identical"], data["replay"]["different"], data["replay"]["ok"]) == (1, 1, False)
    assert [one["path"] for one in data["replay"]["files"]] == ["data/m.json", "codebase/measure.py"]
    assert json.loads(json.dumps(data)) == data

    meter.write_text("1.5000000001")
    _, _, found = await replayed(engine, first.id)
    assert likenesses(found)["data/m.json"] == "within_tolerance"


async def test_a_strict_replay_stops_at_the_first_other_request_and_shows_it(lab: Lab, tmp_path: Path) -> None:
    meter = tmp_path / "meter"
    meter.write_text("1.5")
    lab.journal.does("a", measuring(meter), says("measured")).does("b", says("nothing"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"), step("b", "a"))
    meter.write_text("1.75")
    run, view, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.FAILED
    assert states(view) == {"a": "failed", "b": "skipped", "terminator": "skipped"}
    (node,) = [one for one in view.nodes if one.step == "a"]
    assert node.error is not None
    assert node.error.startswith("model call 2 of engineer (entry 3 of its journal) is not the recorded one: message 4")
    assert "\n-measured 1.5\n+measured 1.75" in node.error
    (error,) = await engine.events(run.id, kinds=[EventKind.ERROR])
    assert error.data["kind"] == "journal"
    # What the failed step wrote is compared all the same.
    assert likenesses(found) == {"data/m.json": "different", "codebase/measure.py": "identical"}


async def test_a_strict_replay_shows_an_instruction_that_has_changed(lab: Lab, tmp_path: Path) -> None:
    lab.journal.does("a", says("Nothing to do."))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    await lab.close(engine)
    agents = lab.home / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    (agents / "engineer.toml").write_text("prompt = 'You are another engineer.'\n")
    engine = await lab.engine()
    run, view, _ = await replayed(engine, first.id, strict=True)
    assert "model call 1 of engineer (entry 1 of its journal)" in (run.error or "")
    error = next(node.error for node in view.nodes if node.step == "a") or ""
    assert "message 1 (system) is another one" in error
    assert "\n-You are the engineer" in error and "\n+You are another engineer." in error
    assert (await replayed(engine, first.id))[0].state is RunState.COMPLETED


async def test_planning_is_replayed_and_the_plan_that_a_person_made_of_it_runs(lab: Lab) -> None:
    lab.journal.plans(step("first"), attempt=1).plans(step("second"), attempt=2)
    lab.journal.does("mine", writes("mine.txt", "edited"), says("done"))
    engine = await lab.engine()
    submitted = await engine.submit("Is it so?", mode=Mode.PLANNING_CONTROL, options=lab.options())
    await engine.wait(submitted.id)
    (approval,) = await engine.approvals()
    await engine.resolve(approval.id, ApprovalState.REJECTED, feedback="Call it second.")
    await engine.wait(submitted.id)
    (approval,) = await engine.approvals()
    edited = Plan.parse(plan(step("mine", outputs=["mine.txt"])))
    await engine.resolve(approval.id, ApprovalState.MODIFIED, plan=edited)
    first = await engine.wait(submitted.id)
    assert first.state is RunState.COMPLETED, first.error
    forget_the_models(lab)
    run, view, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.COMPLETED, run.error
    assert states(view) == {"planning": "completed", "mine": "completed", "terminator": "completed"}
    assert likenesses(found) == {"mine.txt": "identical"}
    said = [one.content for one in await engine.messages(run.id) if one.role == "user"]
    assert any("Call it second." in content for content in said), "the planner is told what it was told then"
    assert found and (found.requests, found.changed) == (4, 0)


async def test_a_one_shot_run_is_replayed(lab: Lab) -> None:
    lab.journal.does("task", writes("answer.txt", "42"), says("It is 42."))
    engine = await lab.engine()
    options = lab.options(approval=ApprovalMode.NONE)
    first = await engine.wait((await engine.submit("What is it?", mode=Mode.ONE_SHOT, options=options)).id)
    forget_the_models(lab)
    run, view, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.COMPLETED and run.mode is Mode.ONE_SHOT
    assert likenesses(found) == {"answer.txt": "identical"}
    assert states(view) == {"task": "completed", "terminator": "completed"}


async def test_a_replay_is_replayed_itself(lab: Lab) -> None:
    lab.journal.does("a", writes("a.txt", "a"), says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    forget_the_models(lab)
    second, _, _ = await replayed(engine, first.id)
    third, view, found = await replayed(engine, second.id, strict=True)
    assert third.state is RunState.COMPLETED and third.replay_of == second.id
    assert likenesses(found) == {"a.txt": "identical"}
    assert str(view.run.options["notice"]).startswith("Strict replay of run")
    assert str(view.run.options["notice"]).lower().count("replay of run") == 1


async def test_of_a_redone_step_the_last_attempt_is_replayed_with_what_was_said_before_it(lab: Lab) -> None:
    lab.journal.does("a", writes("a.txt", "one"), says("done"), attempt=1)
    lab.journal.does("a", writes("a.txt", "two"), says("done better"), attempt=2)
    lab.journal.does("b", says("looked"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"), step("b", "a"))
    await engine.redo(first.id, "a", feedback="Write two.")
    first = await engine.wait(first.id)
    assert first.state is RunState.COMPLETED
    forget_the_models(lab)
    run, view, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.COMPLETED, run.error
    (written,) = [one for one in view.artifacts if one.path == "a.txt"]
    assert engine.blob(written.sha256) == b"two"
    assert likenesses(found) == {"a.txt": "identical"}
    assert [one.number for one in view.attempts] == [1, 1, 1]


async def test_of_a_step_that_was_tried_again_the_last_attempt_is_replayed_with_what_it_had_learnt(lab: Lab) -> None:
    lab.journal.does("a", *[code("raise ValueError('the wrong valley')")] * 3, attempt=1)
    lab.journal.does("a", writes("a.txt", "a"), says("done"), attempt=2)
    engine = await lab.engine()
    first, before = await lab.carry_out(engine, step("a"), retries=1)
    assert first.state is RunState.COMPLETED, first.error
    assert len([one for one in before.attempts if one.reason == "retry"]) == 1
    forget_the_models(lab)
    run, view, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.COMPLETED, run.error
    assert likenesses(found) == {"a.txt": "identical"}
    said = [one.content for one in await engine.messages(run.id) if one.role == "user"]
    assert any("the wrong valley" in content for content in said)
    assert len(view.attempts) == 2


async def test_a_branch_is_replayed_with_what_it_took_over(lab: Lab) -> None:
    lab.journal.does("a", writes("a.txt", "a"), says("done"))
    lab.journal.does("b", writes("b.txt", "b"), says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"), step("b", "a"))
    twig = await engine.branch(first.id, "b", name="twig", feedback="Do it again.")
    twig = await engine.wait(twig.id)
    assert twig.state is RunState.COMPLETED, twig.error
    forget_the_models(lab)
    run, _, found = await replayed(engine, twig.id, strict=True)
    assert run.state is RunState.COMPLETED, run.error
    assert likenesses(found) == {"a.txt": "identical", "b.txt": "identical"}


async def test_a_branch_of_a_replay_is_no_replay(lab: Lab) -> None:
    lab.journal.does("a", writes("a.txt", "a"), says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    run, _, _ = await replayed(engine, first.id)
    twig = await engine.branch(run.id, "a", name="twig")
    twig = await engine.wait(twig.id)
    assert twig.state is RunState.COMPLETED, twig.error
    assert twig.replay_of is None
    calls = await engine.events(twig.id, kinds=[EventKind.MODEL_CALL])
    assert {one.data["replayed"] for one in calls} == {False}


async def test_a_call_without_a_recorded_answer_fails_the_replay_and_asks_nobody(lab: Lab) -> None:
    with OpenAIServer() as server:
        server.answer(call("write_text", path="a.txt", text="a"), Refused(401, "no"), role="engineer")
        keys = {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url}
        engine = await lab.engine(environ=keys)
        options = lab.options(models={"default": "openai:test-model"})
        submitted = await engine.submit("Do it.", options=options, plan=Plan.parse(plan(step("a"))))
        first = await engine.wait(submitted.id)
        assert first.state is RunState.FAILED
        asked = server.count
        server.always(text("A model that is asked after all."))
        run, view, found = await replayed(engine, first.id)
        assert server.count == asked, "a key and a server that answers change nothing"
        assert run.state is RunState.FAILED
        (node,) = [one for one in view.nodes if one.step == "a"]
        assert node.error == "model call 2 of engineer (entry 3 of its journal) has no recorded answer"
        (error,) = await engine.events(run.id, kinds=[EventKind.ERROR])
        assert error.data["kind"] == "journal"
        assert likenesses(found) == {"a.txt": "identical"}, "what it wrote up to there is compared"


async def test_a_replay_needs_no_key_for_a_model_that_did(lab: Lab) -> None:
    with OpenAIServer() as server:
        server.answer(call("write_text", path="a.txt", text="a"), text("Done."), role="engineer")
        engine = await lab.engine(environ={"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.base_url})
        options = lab.options(models={"default": "openai:test-model"})
        submitted = await engine.submit("Do it.", options=options, plan=Plan.parse(plan(step("a"))))
        first = await engine.wait(submitted.id)
    await lab.close(engine)
    engine = await lab.engine()
    run, _, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.COMPLETED, run.error
    assert likenesses(found) == {"a.txt": "identical"}


async def test_a_step_that_fails_only_now_leaves_its_files_missing(lab: Lab, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    needs = code(f"open({str(flag)!r})\n{MAKES}open('data/x.txt', 'w').write('x')")
    lab.journal.does("a", writes("a.txt", "a"), says("done"))
    lab.journal.does("b", needs, says("done")).does("c", writes("c.txt", "c"), says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"), step("b", "a"), step("c", "b"))
    flag.unlink()
    run, view, found = await replayed(engine, first.id)
    assert run.state is RunState.FAILED
    assert states(view)["b"] == "failed"
    assert likenesses(found) == {
        "c.txt": "missing",
        "data/x.txt": "missing",
        "a.txt": "identical",
        "codebase/step.py": "identical",
    }
    assert found and not found.ok and found.counts[Likeness.MISSING] == 2


async def test_a_tool_that_must_not_run_twice_unasked_does_not_run_in_a_replay(lab: Lab, tmp_path: Path) -> None:
    agents = lab.home / "agents"
    agents.mkdir(parents=True)
    (agents / "engineer.toml").write_text("ask_again = ['run_code']\n")
    counts = tmp_path / "counts"
    lab.journal.does("a", code(f"open({str(counts)!r}, 'a').write('x')"), writes("a.txt", "a"), says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    run, _, found = await replayed(engine, first.id, strict=True)
    assert run.state is RunState.COMPLETED, run.error
    assert counts.read_text() == "x"
    assert likenesses(found)["a.txt"] == "identical"
    again, _, _ = await replayed(engine, run.id)
    assert again.state is RunState.COMPLETED
    assert counts.read_text() == "x", "nor in the replay of a replay"


async def test_a_replay_that_was_stopped_goes_on(lab: Lab, tmp_path: Path) -> None:
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    gate.touch()
    waits = code(
        f"import os, time\nopen({str(counts)!r}, 'a').write('b')\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\nopen('b.txt', 'w').write('b')",
        "b.py",
    )
    one = code(f"open({str(counts)!r}, 'a').write('a'); open('a.txt', 'w').write('a')", "a.py")
    lab.journal.does("a", one, waits, says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    forget_the_models(lab)
    gate.unlink()
    run = await engine.replay(first.id, strict=True)
    async with asyncio.timeout(30):
        while counts.read_text() != "abab":
            await asyncio.sleep(0.02)
    await lab.close(engine)
    gate.touch()
    engine = await lab.engine()
    await engine.resume(run.id)
    run = await engine.wait(run.id)
    assert run.state is RunState.COMPLETED, run.error
    assert counts.read_text() == "ababb", "what the replay had recorded itself did not run again"
    assert set(likenesses(await engine.comparison(run.id)).values()) == {"identical"}


async def test_what_is_not_over_or_carried_out_nothing_is_not_replayed(lab: Lab) -> None:
    lab.journal.plans(step("a"))
    engine = await lab.engine()
    submitted = await engine.submit("Is it so?", mode=Mode.PLANNING_CONTROL, options=lab.options())
    await engine.wait(submitted.id)
    with pytest.raises(UsageError, match="only a run that is over can be replayed"):
        await engine.replay(submitted.id)
    await engine.cancel(submitted.id)
    with pytest.raises(UsageError, match="carried out no plan"):
        await engine.replay(submitted.id)
    assert len(await engine.runs()) == 1


async def test_a_run_that_is_no_replay_has_no_comparison(lab: Lab) -> None:
    lab.journal.does("a", says("done"))
    engine = await lab.engine()
    first, view = await lab.carry_out(engine, step("a"))
    assert await engine.comparison(first.id) is None
    assert (run_json(view)["replay_of"], run_json(view)["replay"]) == (None, None)


def in_database(lab: Lab, statement: str) -> None:
    with sqlite3.connect(lab.home / "cmbagent.db") as database:
        database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("UPDATE journal_entries SET request_hash = 'edited' WHERE sequence = 1", "entry 1 of engineer does not hash"),
        ("DELETE FROM journal_entries WHERE sequence = 2", "entry 2 of engineer is missing"),
        ("DELETE FROM journal_entries", "the journal of a is missing"),
    ],
)
async def test_a_damaged_journal_is_named_and_nothing_runs(lab: Lab, harm: str, words: str) -> None:
    lab.journal.does("a", writes("a.txt", "a"), says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    in_database(lab, harm)
    with pytest.raises(StorageError, match=words):
        await engine.replay(first.id)
    assert len(await engine.runs()) == 1


async def test_an_edited_artifact_is_named_and_nothing_runs(lab: Lab) -> None:
    text = "The words of the report. " * 10
    lab.journal.does("a", writes("report.md", text), says("done"))
    engine = await lab.engine()
    first, view = await lab.carry_out(engine, step("a"))
    (written,) = view.artifacts
    path = engine.blob_path(written.sha256)
    path.chmod(0o600)
    path.write_text(text.replace("report", "edited"))
    with pytest.raises(StorageError, match=r"report\.md, written by a, .*does not hash to its name"):
        await engine.replay(first.id)
    path.unlink()
    with pytest.raises(StorageError, match=r"report\.md, written by a, is missing"):
        await engine.replay(first.id)
    assert len(await engine.runs()) == 1
    path.write_text(text)  # so that the database is whole again


async def test_a_recorded_answer_whose_body_is_gone_is_named(lab: Lab) -> None:
    long = "a very long program " * 2000
    lab.journal.does("a", writes("a.txt", long), says("done"))
    engine = await lab.engine()
    first, _ = await lab.carry_out(engine, step("a"))
    bodies = [one for one in (lab.home / "blobs").rglob("*") if one.is_file() and long.encode() in one.read_bytes()]
    assert bodies, "what is long in an answer lies in the blob store"
    kept = {one: one.read_bytes() for one in bodies}
    for one in bodies:
        one.unlink()
    with pytest.raises(CockpitError, match="cannot be replayed: the stored content"):
        await engine.replay(first.id)
    for one, content in kept.items():
        one.write_bytes(content)
