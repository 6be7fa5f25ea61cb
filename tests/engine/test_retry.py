"""Retries: what failed is tried again as its kind deserves, told what was learnt; nothing that was paid for is lost.

Time is the tests': a retry that waits is waited for by setting the clock on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model.events import EventKind
from engine.model.states import RunState
from tests.engine.conftest import Lab, states
from tests.support.journals import code, says, step, writes
from tests.support.openai_server import (
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
from tests.support.retries import (
    CLIENT,
    LIVE,
    TWICE,
    Hands,
    begin,
    decisions,
    impatient,
    last_told,
    live,
    tries,
)

_ERROR = EventKind.ERROR


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


# step → what its server does between the first and the second model call, for so long that the client gives up; the
# kind and the category that it is put in
PASSING: dict[str, tuple[list[Move], str, str]] = {
    "limited": ([Refused(429, "Slow down", retry_after=0.01)] * CLIENT, "rate_limit", "rate_limit"),
    "down": ([Refused(503, "Maintenance", retry_after=0.01)] * CLIENT, "api_error", "api_error"),
    "cut": ([CutInHalf()], "network", "network"),
    "ended": ([CutInHalf(politely=True)], "network", "network"),
    "hangup": ([Hangup()] * CLIENT, "network", "network"),
    "hotel": ([NotJson()], "api_error", "api_error"),
    "silent": ([Silence()], "timeout", "timeout"),
}


async def test_a_provider_that_fails_for_a_while_costs_no_answer_twice(
    lab: Lab, server: OpenAIServer, tmp_path: Path
) -> None:
    counts = tmp_path / "counts"
    counts.mkdir()
    for name, (moves, _, _) in PASSING.items():
        source = f"open({str(counts / name)!r}, 'a').write('x')\nopen('{name}.txt', 'w').write('{name}')"
        ran = call("run_code", filename="go.py", code=source, explanation="Go.")
        server.answer(ran, *moves, text(f"Done with {name}."), about=f"About {name}.")
    clock = Hands()
    engine = await lab.engine(clock=clock, **live(server))
    steps = [step(name, title=f"About {name}.", outputs=[f"{name}.txt"]) for name in PASSING]
    run_id = await begin(engine, lab, *steps, **LIVE, max_parallel=8, model_timeout=3.0)
    async with impatient(engine, run_id, clock):
        run = await engine.wait(run_id)
    assert run.state is RunState.COMPLETED, run.error
    view = await engine.view(run_id)
    names = {node.id: node.step for node in view.nodes}
    found = {names[one.node_id or ""]: one for one in await decisions(engine, run_id)}
    costs = await engine.reads(view.session.id).costs(run_id)
    for name, (moves, kind, category) in PASSING.items():
        assert tries(view)[name] == TWICE, name
        data = found[name].data
        assert (data["kind"], data["category"], data["attempt"], data["of"]) == (kind, category, 2, 3), name
        assert data["continues"] and data["why"]
        asked = [one for one in server.requests if f"About {name}." in one.first]
        assert len(asked) == 2 + len(moves), f"{name}: what was answered is not asked again"
        assert (counts / name).read_text() == "x", f"{name}: what has run does not run again"
        assert sum(names[one.node_id or ""] == name for one in costs) == 2, f"{name}: each answer is paid for once"
        assert sum(one.path == f"{name}.txt" for one in view.artifacts) == 1, name
        entries = [
            await engine.reads(view.session.id).journal(one.id) for one in view.attempts if names[one.node_id] == name
        ]
        assert [[one.sequence for one in sorted(two, key=lambda one: one.sequence)] for two in entries] == [
            [1, 2],
            [1, 2, 3],
        ]
    errors = await engine.events(run_id, kinds=[_ERROR], limit=1000)
    assert {names[one.node_id or ""]: one.data["kind"] for one in errors} == {
        name: kind for name, (_, kind, _) in PASSING.items()
    }


FOR_GOOD: dict[str, tuple[Move, str, str]] = {
    "key": (Refused(401, "Incorrect API key"), "auth", "permission"),
    "model": (Refused(404, "The model does not exist"), "model_not_found", "api_error"),
    "request": (Refused(400, "Unsupported parameter"), "request_refused", "api_error"),
    "quota": (Refused(429, "You exceeded it", 0.01, "insufficient_quota"), "quota", "rate_limit"),
    "later": (Refused(429, "Come back tomorrow", retry_after=86_400), "rate_limit", "rate_limit"),
}


async def test_what_stays_as_it_is_is_not_tried_again_and_says_why(lab: Lab, server: OpenAIServer) -> None:
    for name, (move, _, _) in FOR_GOOD.items():
        server.always(move, about=f"About {name}.")
    engine = await lab.engine(**live(server))
    run_id = await begin(
        engine, lab, *(step(name, title=f"About {name}.") for name in FOR_GOOD), **LIVE, max_parallel=8
    )
    assert (await engine.wait(run_id)).state is RunState.FAILED
    view = await engine.view(run_id)
    names = {node.id: node.step for node in view.nodes}
    errors = {names[one.node_id or ""]: one.data for one in await engine.events(run_id, kinds=[_ERROR], limit=1000)}
    for name, (_, kind, category) in FOR_GOOD.items():
        assert tries(view)[name] == [(1, "first", "failed")], name
        assert (errors[name]["kind"], errors[name]["category"]) == (kind, category)
    assert errors["key"]["not_retried"] == "it would fail again: the API key is missing or not accepted"
    assert "none may later than 3600 s" in errors["later"]["not_retried"]
    assert await decisions(engine, run_id) == []


BROKEN = {
    "import": ("import no_such_module", "import_error"),
    "syntax": ("def f(:\n  pass", "syntax"),
    "value": ("int('seven')", "type_value"),
    "shape": ("raise ValueError('shapes (2,) and (3,) do not fit')", "data_shape"),
    "file": ("open('data/none.csv')", "file_not_found"),
    "room": ("raise MemoryError('Unable to allocate 75 GiB')", "memory"),
    "forbidden": ("raise PermissionError(13, 'Permission denied', '/etc/shadow')", "permission"),
    "net": ("import urllib.request as r; r.urlopen('http://127.0.0.1:9/')", "network"),
    "slow": ("import time; time.sleep(60)", "timeout"),
    "odd": ("raise SystemExit(3)", "unknown"),
}


async def test_code_that_failed_is_begun_anew_with_its_own_error_whatever_its_category(lab: Lab) -> None:
    for name, (source, _) in BROKEN.items():
        left = "open('left.txt', 'w').write('by attempt 1')\n" if name != "syntax" else ""
        lab.journal.does(name, code(left + source), says("It does not work."), attempt=1)
        lab.journal.does(name, writes("done.txt", name), says("It works."), attempt=2)
    clock = Hands()
    engine = await lab.engine(clock=clock)
    steps = [step(name) for name in BROKEN]
    run_id = await begin(engine, lab, *steps, retries=2, max_parallel=4, code_timeout=1.5)
    async with impatient(engine, run_id, clock):
        run = await engine.wait(run_id)
    assert run.state is RunState.COMPLETED, run.error
    view = await engine.view(run_id)
    nodes = {node.step: node for node in view.nodes}
    found = {one.node_id: one.data for one in await decisions(engine, run_id)}
    for name, (source, category) in BROKEN.items():
        assert tries(view)[name] == TWICE, name
        data = found[nodes[name].id]
        assert data["category"] == category and data["continues"] == [], name
        said = [one.content for one in await engine.messages(run_id, node_id=nodes[name].id) if one.role == "user"]
        assert len(said) == 2 and "This step was begun before" in said[1] and source.splitlines()[-1] in said[1], name
        left = await engine.reads(view.session.id).checkpoint(nodes[name].id)
        assert left is not None and [one.path for one in left.tree] == ["done.txt"], "it began in a clean directory"
    counts = {one.category.value: (one.failures, one.retried, one.resolved) for one in await engine.retries()}
    assert counts == {category: (1, 1, 1) for _, category in BROKEN.values()}


async def test_a_check_and_a_missing_file_are_told_and_mended(lab: Lab) -> None:
    check = {"name": "sane", "kind": "json_value", "path": "fit.json", "pointer": "/chi2", "min": 0.5, "max": 2.0}
    lab.journal.does("fit", writes("fit.json", '{"chi2": 7.5}'), says("A good fit."), attempt=1)
    lab.journal.does("fit", writes("fit.json", '{"chi2": 1.1}'), says("A better fit."), attempt=2)
    lab.journal.does("plot", says("It is drawn."), attempt=1)
    lab.journal.does("plot", writes("plot.md", "here"), says("Now it is."), attempt=2)
    engine = await lab.engine()
    run_id = await begin(engine, lab, step("fit", checks=[check]), step("plot", outputs=["plot.md"]), retries=1)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    view = await engine.view(run_id)
    nodes = {node.step: node for node in view.nodes}
    first, second = [one for one in view.attempts if one.node_id == nodes["fit"].id]
    assert [one.ok for one in first.checks] == [False] and [one.ok for one in second.checks] == [True]
    found = {one.node_id: (one.data["kind"], one.data["category"]) for one in await decisions(engine, run_id)}
    assert found == {
        nodes["fit"].id: ("check_failed", "data_shape"),
        nodes["plot"].id: ("missing_output", "file_not_found"),
    }
    assert "the check 'sane' does not hold" in await last_told(engine, run_id, nodes["fit"].id)
    assert "7.5" in await last_told(engine, run_id, nodes["fit"].id)
    assert "without leaving behind plot.md" in await last_told(engine, run_id, nodes["plot"].id)


async def test_what_fails_for_good_has_used_up_its_retries_and_no_more(lab: Lab) -> None:
    lab.journal.does("bad", code("int('seven')"), says("Sorry."))
    engine = await lab.engine()
    run_id = await begin(engine, lab, step("bad"), step("after", "bad"), retries=2)
    run = await engine.wait(run_id)
    assert run.state is RunState.FAILED and "invalid literal for int()" in (run.error or "")
    view = await engine.view(run_id)
    assert tries(view)["bad"] == [(1, "first", "failed"), (2, "retry", "failed"), (3, "retry", "failed")]
    assert states(view) == {"bad": "failed", "after": "skipped", "terminator": "skipped"}
    errors = await engine.events(run_id, kinds=[_ERROR])
    assert [one.data.get("not_retried") for one in errors] == [None, None, "all 2 retries were made"]
    history = await engine.reads(run.session_id).history(run_id)
    moves = [(one.before, one.after) for one in history if one.entity_id == view.nodes[0].id]
    begun = ("pending", "running")
    assert moves == [begun, ("running", "pending"), begun, ("running", "pending"), begun, ("running", "failed")]
    # A person's redo is a new beginning, with all its retries.
    await engine.redo(run_id, "bad", feedback="Seven is 7.")
    assert (await engine.wait(run_id)).state is RunState.FAILED
    view = await engine.view(run_id)
    assert [(reason) for _, reason, _ in tries(view)["bad"]] == ["first", "retry", "retry", "redo", "retry", "retry"]
    told = await last_told(engine, run_id, view.nodes[0].id)
    assert "Seven is 7." in told, "what the person said holds for the retries too"
    assert "Attempt 4" in told and "Attempt 1" not in told


async def test_working_code_on_the_last_attempt_counts(lab: Lab) -> None:
    broken, works = code("1/0"), code("open('x.txt', 'w').write('1')")
    lab.journal.does("within", broken, broken, works, says("It works now."))
    lab.journal.does("retried", broken, broken, broken, says("never said"), attempt=1)
    lab.journal.does("retried", broken, broken, works, says("It works now."), attempt=2)
    engine = await lab.engine()
    run_id = await begin(engine, lab, *(step(name, outputs=["x.txt"]) for name in ("within", "retried")), retries=1)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    view = await engine.view(run_id)
    assert tries(view)["within"] == [(1, "first", "completed")]
    assert tries(view)["retried"] == TWICE
    assert [one.summary for one in view.attempts[:3] if one.state == "completed"] == ["It works now."] * 2


async def test_a_retry_is_told_what_was_tried_what_that_changed_and_what_helped_elsewhere(lab: Lab) -> None:
    wrong = "rows = [1, 2]\nprint(rows[{}])"
    fixed = "rows = [1, 2, 3]\nprint(rows[{}])"
    lab.journal.does("before", code(wrong.format(2), "fit.py"), says("Sorry."), attempt=1)
    lab.journal.does("before", code(fixed.format(2), "fit.py"), says("A row was missing."), attempt=2)
    lab.journal.does("again", code(wrong.format(7), "fit.py"), says("Sorry."), attempt=1)
    lab.journal.does("again", code(wrong.format(8), "fit.py"), says("Sorry."), attempt=2)
    lab.journal.does("again", code(fixed.format(1), "fit.py"), says("Done."), attempt=3)
    engine = await lab.engine()
    first = await begin(engine, lab, step("before"), retries=2)
    assert (await engine.wait(first)).state is RunState.COMPLETED
    run_id = await begin(engine, lab, step("again"), retries=2)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    (node, _) = (await engine.view(run_id)).nodes
    told = await last_told(engine, run_id, node.id)
    for words in (
        "## Attempt 1: a program met data of another shape than it expected",
        "- codebase/fit.py ended with exit code 1: IndexError: list index out of range",
        "-print(rows[7])\n+print(rows[8])",  # what attempt 2 had changed
        "## The program that was run last: codebase/fit.py",
        "## The same error before, and how it was resolved",
        "-rows = [1, 2]\n+rows = [1, 2, 3]",
        "A row was missing.",
    ):
        assert words in told, words
    assert "Traceback" in told, "the error's own lines"
    said = [one.data["chance"] for one in await decisions(engine, run_id)]
    assert [one["rate"] for one in said] == [None, None]
    assert said[0]["words"] == "1 of 1 retry after such a failure helped: too few to say how likely"
    assert (said[0]["cases"], said[0]["resolved"]) == (1, 1)


async def test_with_enough_cases_history_says_how_likely_it_is(lab: Lab) -> None:
    for name in "abcdef":
        lab.journal.does(name, code("1/0"), says("Sorry."), attempt=1)
        lab.journal.does(name, code("1/0" if name == "b" else "1/1"), says("Done."), attempt=2)
    engine = await lab.engine()
    run_id = await begin(engine, lab, *(step(name) for name in "abcde"), retries=1)
    await engine.wait(run_id)
    run_id = await begin(engine, lab, step("f"), retries=1)
    assert (await engine.wait(run_id)).state is RunState.COMPLETED
    (decision,) = await decisions(engine, run_id)
    assert decision.data["chance"] == {
        "cases": 5,
        "resolved": 4,
        "rate": 0.8,
        "words": "4 of 5 retries after such a failure helped (80%)",
    }
