"""Tool calls that rules ask about or refuse, questions that agents ask, and what is allowed for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.model.errors import UsageError
from engine.model.events import EventKind, Phase
from engine.model.grants import Scope
from engine.model.options import ApprovalMode
from engine.model.plan import Plan
from engine.model.records import Approval, ApprovalState, RunView
from engine.model.resolutions import ways
from engine.model.states import RunState
from tests.engine.conftest import Lab
from tests.support.journals import code, plan, says, step, writes

A, CUSTOM = ApprovalState, ApprovalMode.CUSTOM
ASK_WRITES = {"default": "allow", "ask": [{"tool": "write_text", "why": "Look first."}]}
ASK_CODE = {"default": "allow", "ask": [{"tool": "run_code"}]}


async def begin(lab: Lab, engine: Engine, rules: Any, *steps: Any, **options: Any) -> str:
    """Submit a plan and wait until the run rests; its id."""
    given = Plan.parse(plan(*(steps or [step("one")])))
    options = {"approval": CUSTOM, "rules": rules, **options}
    run = await engine.submit("Ask me.", options=lab.options(**options), plan=given)
    await engine.wait(run.id)
    return run.id


async def asked(engine: Engine, run_id: str, kind: str = "tool") -> Approval:
    (one,) = await engine.approvals()
    assert (one.run_id, one.kind) == (run_id, kind)
    assert (await engine.view(run_id)).run.state is RunState.WAITING_APPROVAL
    return one


async def answer(engine: Engine, approval: Approval, state: ApprovalState, **more: Any) -> RunView:
    await engine.resolve(approval.id, state, **more)
    await engine.wait(approval.run_id)
    return await engine.view(approval.run_id)


async def results(engine: Engine, run_id: str) -> str:
    """What the tools told the agents."""
    return "\n".join(one.content for one in await engine.messages(run_id) if one.role == "tool")


def content(engine: Engine, view: RunView, path: str) -> str | None:
    """What the run's newest file of this name holds; None where there is none."""
    found = [one for one in view.artifacts if one.path == path]
    return engine._blobs.get(found[-1].sha256).decode() if found else None


async def test_each_answer_about_a_call(lab: Lab) -> None:
    lab.journal.does("one", writes("a.txt", "first\nsecond\n"), says("done"))
    engine = await lab.engine()
    for state in (A.APPROVED, A.REJECTED, A.MODIFIED, A.SKIP, A.ABORT):
        run_id = await begin(lab, engine, ASK_WRITES)
        call = await asked(engine, run_id)
        assert call.title == "engineer wants to write text a.txt"
        assert call.shown["arguments"] == {"path": "a.txt", "text": "first\nsecond\n"}
        assert call.shown["why"] == ["ask 1: Look first."]
        for other in set(A) - {A.PENDING, A.EXPIRED, A.WITHDRAWN} - set(ways(call)):
            with pytest.raises(UsageError, match="a tool cannot be settled as"):
                await engine.resolve(call.id, other)
        edit = {"path": "a.txt", "text": "first\nthird\n"} if state is A.MODIFIED else None
        view = await answer(engine, call, state, feedback="Be careful.", edit=edit)
        said = await results(engine, run_id)
        assert view.run.state is (RunState.CANCELLED if state is A.ABORT else RunState.COMPLETED)
        expected = {A.APPROVED: "first\nsecond\n", A.MODIFIED: "first\nthird\n"}
        assert content(engine, view, "a.txt") == expected.get(state)
        assert ("Be careful." in said) == (state is not A.ABORT)
        assert ("was not made" in said) == (state in (A.REJECTED, A.SKIP))
        assert [one.number for one in view.attempts if one.reason == "first"][:1] == [1], "the attempt goes on"
        if state is A.MODIFIED:
            assert "-  second" in said and "+  third" in said
            ends = [
                one
                for one in await engine.events(run_id, kinds=(EventKind.TOOL_CALL,), limit=99)
                if one.phase is Phase.END
            ]
            assert ends[-1].data["arguments"]["text"] == "first\nthird\n"
            with pytest.raises(UsageError, match="allows nothing for good"):
                await engine.revoke(call.id)


async def test_an_edited_program_is_what_runs_also_when_it_is_replayed(lab: Lab) -> None:
    lab.journal.does("one", code("open('a.txt', 'w').write('theirs')"), writes("b.txt", "b"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, {**ASK_CODE, "deny": [{"path": "b.txt", "why": "No b."}]})
    call = await asked(engine, run_id)
    with pytest.raises(UsageError, match="other arguments: more"):
        await engine.resolve(call.id, A.MODIFIED, edit={**call.shown["arguments"], "more": 1})
    mine = {**call.shown["arguments"], "code": "open('a.txt', 'w').write('mine')"}
    view = await answer(engine, call, A.MODIFIED, edit=mine)
    assert view.run.state is RunState.COMPLETED and content(engine, view, "a.txt") == "mine"
    assert (
        "A rule forbids it: deny 1: No b." in await results(engine, run_id) and content(engine, view, "b.txt") is None
    )
    again = await engine.replay(run_id, strict=True)
    assert (await engine.wait(again.id)).state is RunState.COMPLETED
    view = await engine.view(again.id)
    assert content(engine, view, "a.txt") == "mine" and content(engine, view, "b.txt") is None
    assert await engine.approvals() == []


async def test_what_was_answered_is_asked_once_though_the_process_ends_in_between(lab: Lab, tmp_path: Path) -> None:
    counts = tmp_path / "counts"
    lab.journal.does("one", writes("w.txt", "w"), code(f"open({str(counts)!r}, 'a').write('x')"), says("done"))
    first = await lab.engine()
    run_id = await begin(lab, first, ASK_CODE)
    call = await asked(first, run_id)
    assert not counts.exists(), "nothing runs before it is approved"
    await lab.close(first)  # the process ends between the question and the answer
    looking = await lab.engine(drives=False)
    edit = {**call.shown["arguments"], "code": f"open({str(counts)!r}, 'a').write('y')"}
    await looking.resolve(call.id, A.MODIFIED, edit=edit)
    await lab.close(looking)  # and between the answer and what follows from it
    second = await lab.engine()
    assert await second.take_over() == [run_id]
    await second.wait(run_id)
    view = await second.view(run_id)
    assert view.run.state is RunState.COMPLETED and counts.read_text() == "y"
    assert [one.number for one in view.attempts] == [1, 1] and len(view.approvals) == 1


async def test_an_approved_call_that_was_lost_with_its_process_runs_again_as_it_was_edited(
    lab: Lab, tmp_path: Path
) -> None:
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    waits = f"import os, time\nopen({str(counts)!r}, 'a').write('MINE')\nprint('waiting', flush=True)\n"
    waits += f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    lab.journal.does("one", code(f"open({str(counts)!r}, 'a').write('theirs')"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, ASK_CODE)
    call = await asked(engine, run_id)
    await engine.resolve(call.id, A.MODIFIED, edit={**call.shown["arguments"], "code": waits})
    while not counts.exists():
        await engine.events(run_id, limit=1)
    await engine.pause(run_id, now=True)
    gate.touch()
    await engine.resume(run_id)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    assert counts.read_text() == "MINEMINE", "never what the agent had wanted"
    assert len((await engine.view(run_id)).approvals) == 1


async def test_what_cannot_be_shown_does_not_run(lab: Lab) -> None:
    lab.journal.does("one", writes("a.txt", "harm\u202eless\x1b[31m"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, ASK_WRITES)
    call = await asked(engine, run_id)
    assert call.shown["arguments"]["text"] == "harmless" and "cannot be shown" in call.shown["left_out"]
    assert content(engine, await answer(engine, call, A.APPROVED), "a.txt") == "harmless"


async def test_always_covers_exactly_what_was_shown_until_it_is_taken_back(lab: Lab) -> None:
    lab.journal.does("one", writes("a.txt", "1"), writes("a.txt", "2"), writes("b.txt", "3"), says("done"))
    engine = await lab.engine()
    run_id = await begin(lab, engine, ASK_WRITES)
    call = await asked(engine, run_id)
    assert call.shown["always"] == "write_text on a.txt, whatever is written there"
    with pytest.raises(UsageError, match="only a call that is approved as it is"):
        await engine.resolve(call.id, A.REJECTED, always=Scope.RUN)
    await answer(engine, call, A.APPROVED, always=Scope.RUN)
    other = await asked(engine, run_id)
    assert other.shown["arguments"]["path"] == "b.txt", "a.txt was not asked about again"
    view = await answer(engine, other, A.APPROVED, always=Scope.SESSION)
    assert content(engine, view, "a.txt") == "2"
    assert [(one.words.split(",")[0], one.scope, one.revoked_by) for one in await engine.grants(run_id)] == [
        ("write_text on b.txt", Scope.SESSION, None),
        ("write_text on a.txt", Scope.RUN, None),
    ]

    again = await engine.submit(
        "Once more.", options=lab.options(approval=CUSTOM, rules=ASK_WRITES), plan=Plan.parse(plan(step("one"))),
        session_id=view.session.id,
    )  # fmt: skip
    await engine.wait(again.id)
    call = await asked(engine, again.id)
    assert call.shown["arguments"]["path"] == "a.txt", "the other was for the first run alone"
    assert [one.words for one in await engine.grants(again.id)] == ["write_text on b.txt, whatever is written there"]
    (grant,) = await engine.grants(again.id)
    assert (await engine.revoke(grant.id)).revoked_by
    with pytest.raises(UsageError, match="was taken back by"):
        await engine.revoke(grant.id)
    await answer(engine, call, A.APPROVED, always=Scope.RUN)
    call = await asked(engine, again.id)
    assert call.shown["arguments"]["path"] == "b.txt", "what was taken back is asked about again"
    assert (await answer(engine, call, A.REJECTED)).run.state is RunState.COMPLETED
    # A grant never goes before a rule that denies.
    denied = {**ASK_WRITES, "deny": [{"path": "a.txt"}]}
    third = await engine.submit(
        "Denied.", options=lab.options(approval=CUSTOM, rules=denied), plan=Plan.parse(plan(step("one"))),
        session_id=view.session.id,
    )  # fmt: skip
    await engine.wait(third.id)
    assert "A rule forbids it" in await results(engine, third.id)


async def test_an_agent_asks_a_person_and_goes_on_with_the_answer(lab: Lab) -> None:
    agents = lab.home / "agents"
    agents.mkdir(parents=True)
    (agents / "engineer.toml").write_text('tools = ["write_text", "ask_person"]\n')
    question = {"tool_calls": [{"name": "ask_person", "arguments": {"question": "Degrees or radians?"}}]}
    lab.journal.does("one", question, writes("a.txt", "a"), says("done"))
    engine = await lab.engine()
    for mode in (ApprovalMode.AFTER_PLANNING, ApprovalMode.NONE):
        for state, said in ((A.APPROVED, "The person answers: Radians."), (A.SKIP, "gives no answer"), (A.ABORT, "")):
            run_id = await begin(lab, engine, None, approval=mode)
            if mode is ApprovalMode.NONE:
                assert "Nobody is asked in this run" in await results(engine, run_id)
                break
            asks = await asked(engine, run_id, "question")
            assert (asks.title, asks.shown["question"]) == ("engineer asks: Degrees or radians?", "Degrees or radians?")
            for wrong in (A.REJECTED, A.RETRY, A.MODIFIED, *([A.APPROVED] if state is A.APPROVED else [])):
                with pytest.raises(UsageError):
                    await engine.resolve(asks.id, wrong)
            view = await answer(engine, asks, state, feedback="Radians." if state is A.APPROVED else None)
            assert view.run.state is (RunState.CANCELLED if state is A.ABORT else RunState.COMPLETED)
            assert said in await results(engine, run_id)
            if state is A.APPROVED:
                again = await engine.replay(run_id, strict=True)
                assert (await engine.wait(again.id)).state is RunState.COMPLETED
                assert said in await results(engine, again.id)


async def test_parallel_steps_ask_each_for_itself_and_others_go_on(lab: Lab) -> None:
    for name in ("one", "two", "free"):
        lab.journal.does(name, writes(f"{name}.txt", name), says("done"))
    rules = {"default": "allow", "ask": [{"path": ["one.txt", "two.txt"]}]}
    engine = await lab.engine()
    run_id = await begin(lab, engine, rules, step("one"), step("two"), step("free"))
    both = await engine.approvals()
    assert sorted(one.shown["arguments"]["path"] for one in both) == ["one.txt", "two.txt"]
    view = await engine.view(run_id)
    assert {node.step: node.state.value for node in view.nodes}["free"] == "completed"
    view = await answer(engine, both[0], A.APPROVED)
    assert view.run.state is RunState.WAITING_APPROVAL
    assert (await answer(engine, both[1], A.APPROVED)).run.state is RunState.COMPLETED
