"""What was spent, from the command line: with numbers that are known beforehand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import storage
from engine.model.changes import Add
from engine.model.ids import new_id
from engine.model.records import Attempt, AttemptState
from tests.support.cockpit import Cockpit
from tests.unit.storage.conftest import START, Research


async def two_sessions(cockpit: Cockpit) -> tuple[Research, Research]:
    """One with a budget that spent on two days, some of it in an attempt that failed, some at an unknown price; and one
    that cost nothing that is known."""
    store, _ = storage.open_store(cockpit.home)
    await store.open()
    first, second = Research(), Research()
    first.run = replace(first.run, options={"budget_micro": 2_000_000, "max_tokens": 10_000, "max_calls": 3})
    first.attempt = replace(first.attempt, state=AttemptState.FAILED)
    again = Attempt(
        new_id(), first.session.id, first.run.id, first.node.id, 2, "retry",
        AttemptState.COMPLETED, first.at(3),
    )  # fmt: skip
    second.session = replace(second.session, title="Is the sky dark?")
    await store.commit(
        *first.opening(),
        Add(again),
        Add(first.cost(500_000, 2_000, 300)),
        Add(first.cost(250_000, 1_000, 100, attempt_id=again.id, at=START + timedelta(days=2))),
        Add(first.cost(None, 70, 7, node_id=None, attempt_id=None, agent="planner", model="local:mine")),
        *second.opening(),
        Add(second.cost(None, 10, 1, model="local:mine")),
    )
    await store.close()
    return first, second


async def test_sums_are_printed_by_whatever_is_asked_for(cockpit: Cockpit) -> None:
    first, second = await two_sessions(cockpit)

    def asked(*options: str) -> dict[str, object]:
        said = cockpit.say("costs", "--json", *options)
        assert said.code == 0, said.err
        return said.json["costs"]

    everything = asked()
    assert everything["by"] == "session" and everything["budget"] == {} and everything["others"] is None
    total = everything["total"]
    assert (total["usd"], total["prompt_tokens"], total["completion_tokens"]) == ("0.75", 3080, 408)
    assert (total["calls"], total["unknown_calls"], total["cached_tokens"]) == (4, 2, 12)
    assert total["failed"]["usd"] == "0.50" and total["again"]["usd"] == "0.25"
    dear, unknown = everything["lines"]
    assert (dear["key"], dear["title"], dear["usd"]) == (first.session.id, "Is it damped?", "0.75")
    assert (unknown["title"], unknown["usd"], unknown["unknown_calls"]) == ("Is the sky dark?", None, 1)
    assert [(one["at"], one["usd"], one["calls"]) for one in everything["points"]] == [
        ("2031-05-06T00:00:00.000Z", "0.50", 3),
        ("2031-05-07T00:00:00.000Z", "0.00", 0),
        ("2031-05-08T00:00:00.000Z", "0.25", 1),
    ]

    for by, lines in {
        "run": [(first.run.id, "0.75"), (second.run.id, None)],
        "step": [(first.node.id, "0.75"), ("", None), (second.node.id, None)],
        "agent": [("engineer", "0.75"), ("planner", None)],
        "model": [("openai:gpt-5", "0.75"), ("local:mine", None)],
        "day": [("2031-05-08", "0.25"), ("2031-05-06", "0.50")],
    }.items():
        assert [(one["key"], one["usd"]) for one in asked("--by", by)["lines"]] == lines

    run = asked("--run", first.run.id)
    assert run["by"] == "step" and run["run_id"] == first.run.id
    assert run["budget"] == {
        "usd": {"of": "2.00", "used": "0.75", "left": "1.25"},
        "tokens": {"of": 10_000, "used": 3_477, "left": 6_523},
        "calls": {"of": 3, "used": 3, "left": 0},
    }
    session = asked("--session", second.session.id, "--by", "model")
    assert [(one["key"], one["usd"]) for one in session["lines"]] == [("local:mine", None)]
    short = asked("--by", "day", "--limit", "1")
    assert len(short["lines"]) == 1 and (short["others"]["lines"], short["others"]["usd"]) == (1, "0.50")


async def test_a_person_reads_what_is_known_and_what_is_not(cockpit: Cockpit) -> None:
    first, _ = await two_sessions(cockpit)
    said = cockpit.say("costs", "--by", "model").out.splitlines()
    assert said[0].split() == ["$0.75", "3.0k", "in", "400", "out", "2", "calls", "openai:gpt-5"]
    assert said[1].split() == ["?", "80", "in", "8", "out", "2", "calls", "local:mine"]
    assert said[2].startswith("in all: $0.75+? for 4 calls") and said[2].endswith("the price of 2 calls is not known")
    assert said[3] == "$0.50 went into attempts that failed, $0.25 into further attempts"
    assert cockpit.say("costs", "--run", first.run.id).out.splitlines()[-1] == (
        "left of the budget: at most $1.25 of $2.00, 6.5k of 10.0k tokens, 0 of 3 calls"
    )
    assert "$0.00" not in cockpit.say("costs", "--by", "agent").out


def test_nothing_was_spent_and_wrong_words_are_told(cockpit: Cockpit) -> None:
    assert cockpit.say("costs").out == "Nothing was spent.\n"
    wrong = cockpit.say("costs", "--by", "colour")
    assert wrong.code == 2 and "by 'colour'" in wrong.err and "session, run, step, agent, model, day" in wrong.err
    assert cockpit.say("costs", "--run", "ffffffff").code == 2
    assert cockpit.say("costs", "--run", "a", "--session", "b").code == 2
