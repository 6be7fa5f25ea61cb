"""Making a plan: rounds of review, repairs of plans that cannot run, and the form that goes over the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.model.frames import Planning, ScriptedAnswer, ScriptedCall
from engine.model.plan import Plan
from engine.worker.planform import PLAN_SCHEMA
from tests.support.peer import Heard, attempt, planning_spec, says

STEP: dict[str, Any] = {
    "id": "fit",
    "title": "Fit",
    "agent": "engineer",
    "instructions": ["fit it"],
    "depends_on": [],
    "outputs": ["data/fit.json"],
    "checks": [],
}
_CHECK = PLAN_SCHEMA["properties"]["steps"]["items"]["properties"]["checks"]["items"]
GOOD = {"title": "Two steps", "steps": [STEP, {**STEP, "id": "report", "agent": "researcher", "depends_on": ["fit"]}]}


def planner(sequence: int, plan: object) -> ScriptedAnswer:
    content = plan if isinstance(plan, str) else json.dumps(plan)
    return says(content, sequence, agent="planner", step="planning")


def reviewer(sequence: int, *remarks: str, approved: bool = False) -> ScriptedAnswer:
    content = json.dumps({"approved": approved, "remarks": list(remarks)})
    return says(content, sequence, agent="plan_reviewer", step="planning")


async def plan(tmp_path: Path, *answers: ScriptedAnswer, **planning: Any) -> Heard:
    heard = await attempt(planning_spec(tmp_path, *answers, planning=Planning(**planning)))
    heard.check_nesting()
    return heard


def asked(heard: Heard, agent: str) -> list[str]:
    """What an agent was told, in order."""
    calls = {one.id for one in heard.events("model_call", "start") if one.agent == agent}
    return [one.content for one in heard.frames if one.type == "message" and one.role == "user" and one.event in calls]


async def test_a_plan_is_made_reviewed_and_revised(tmp_path: Path) -> None:
    better = {**GOOD, "title": "Three steps"}
    heard = await plan(tmp_path, planner(1, GOOD), reviewer(1, "check chi2 in step fit"), planner(2, better))
    assert heard.result.ok and heard.result.plan == Plan.parse(better)
    assert heard.result.summary == "Three steps: 2 steps"
    first, second = heard.events("plan")
    assert (first.data["round"], second.data["round"]) == (1, 2)
    assert first.data["plan"]["title"] == "Two steps" and "review" not in first.data
    assert second.data["review"] == "- check chi2 in step fit"
    assert "check chi2 in step fit" in asked(heard, "planner")[1]
    assert "Two steps" in asked(heard, "plan_reviewer")[0]
    assert [one.title for one in heard.events("handoff")] == ["planner → plan_reviewer", "plan_reviewer → planner"]


async def test_reviews_go_on_until_they_are_used_up_or_nothing_is_left_to_say(tmp_path: Path) -> None:
    answers = [planner(n, GOOD) for n in range(1, 5)]
    twice = await plan(tmp_path, *answers, reviewer(1, "a"), reviewer(2, "b"), reviewer(3, "c"), reviews=2)
    assert len(twice.events("plan")) == 3 and twice.result.ok
    approved = await plan(tmp_path, *answers, reviewer(1, "a"), reviewer(2, approved=True), reviews=4)
    assert len(approved.events("plan")) == 2 and approved.result.ok
    none = await plan(tmp_path, *answers, reviews=0)
    assert len(none.events("plan")) == 1 and not asked(none, "plan_reviewer")


async def test_a_review_in_free_words_is_taken_as_remarks(tmp_path: Path) -> None:
    words = says("The second step needs a seed.", 1, agent="plan_reviewer", step="planning")
    heard = await plan(tmp_path, planner(1, GOOD), words, planner(2, GOOD))
    assert heard.result.ok and "The second step needs a seed." in asked(heard, "planner")[1]


async def test_a_plan_that_cannot_run_goes_back_with_the_errors(tmp_path: Path) -> None:
    cycle = {
        "title": "Circle",
        "steps": [{**STEP, "id": "a", "depends_on": ["b"]}, {**STEP, "id": "b", "depends_on": ["a"], "agent": "bob"}],
    }
    heard = await plan(tmp_path, planner(1, "Here is a plan: …"), planner(2, cycle), planner(3, GOOD), reviews=0)
    assert heard.result.ok and heard.result.plan == Plan.parse(GOOD)
    _, after_words, after_cycle = asked(heard, "planner")
    assert "it is not JSON" in after_words
    assert "step 'b': unknown agent 'bob'; there are engineer, researcher" in after_cycle
    assert "the dependencies go round in a circle: a → b → a" in after_cycle
    broken, circle, good = heard.events("plan")
    assert "plan" not in broken.data and "it is not JSON" in broken.data["errors"][0]
    assert circle.data["plan"]["title"] == "Circle" and len(circle.data["errors"]) == 2
    assert "errors" not in good.data


async def test_a_plan_that_stays_wrong_fails_with_its_problems(tmp_path: Path) -> None:
    wrong = {"title": "Outside", "steps": [{**STEP, "outputs": ["../../etc/passwd"], "depends_on": ["nothing"]}]}
    heard = await plan(tmp_path, *(planner(n, wrong) for n in range(1, 5)))
    assert heard.category == "plan_invalid"
    assert "the planner's plan cannot run, after 2 repairs" in heard.why
    assert "'../../etc/passwd' leads outside the work directory" in heard.why
    assert "depends on 'nothing', which is no step of this plan" in heard.why
    assert len(heard.events("plan")) == 3 and heard.result.plan is None


async def test_unknown_keys_and_too_many_steps_are_problems(tmp_path: Path) -> None:
    many = {"title": "Many", "steps": [{**STEP, "id": f"s{n}"} for n in range(4)]}
    odd = {"title": "Odd", "steps": [{**STEP, "colour": "red"}]}
    heard = await plan(tmp_path, planner(1, many), planner(2, odd), max_steps=3, repairs=1, reviews=0)
    assert "unknown key 'steps.0.colour'" in heard.why
    assert "it has 4 steps; at most 3 are allowed" in asked(heard, "planner")[1]


async def test_feedback_and_the_plan_before_are_in_the_request(tmp_path: Path) -> None:
    heard = await plan(
        tmp_path, planner(1, GOOD), reviews=0, feedback="fit both models", previous=Plan.parse(GOOD), max_steps=7
    )
    (request,) = asked(heard, "planner")
    for part in ("fit both models", "Two steps", "At most 7 steps", "engineer: ", "researcher: ", "oscillator damped"):
        assert part in request
    assert "plan_reviewer" not in request, "only agents that a plan may name are offered"


async def test_the_wire_form_of_a_plan_becomes_the_contracts(tmp_path: Path) -> None:
    nothing = dict.fromkeys(_CHECK["properties"])
    checks = [
        {**nothing, "kind": "npz", "name": "n", "path": "a.npz", "arrays": [{"name": "t", "shape": [-1, 2]}]},
        {**nothing, "kind": "json_value", "name": "j", "path": "a.json", "pointer": "/x", "min": 0.5, "max": 2},
        {**nothing, "kind": "python", "name": "p", "code": "assert True", "path": "", "columns": [], "min_bytes": 0},
    ]
    wire = {"title": "Wire", "steps": [{**STEP, "checks": checks}]}
    heard = await plan(tmp_path, planner(1, f"```json\n{json.dumps(wire)}\n```"), reviews=0)
    assert heard.result.plan == Plan.parse(
        {
            "title": "Wire",
            "steps": [
                {
                    **STEP,
                    "checks": [
                        {"kind": "npz", "name": "n", "path": "a.npz", "arrays": {"t": [-1, 2]}},
                        {
                            "kind": "json_value",
                            "name": "j",
                            "path": "a.json",
                            "pointer": "/x",
                            "min": 0.5,
                            "max": 2,
                        },
                        {"kind": "python", "name": "p", "code": "assert True"},
                    ],
                }
            ],
        }
    )


async def test_hostile_text_in_a_plan_is_made_safe(tmp_path: Path) -> None:
    evil = {"title": "E\x1b[2Jvil\u202e", "steps": [{**STEP, "title": "\x1b]0;x\x07"}]}
    heard = await plan(tmp_path, planner(1, evil), reviews=0)
    assert heard.result.plan is not None and heard.result.plan.title == "Evil"
    assert "\\u001b" not in heard.result.model_dump_json()


async def test_a_planner_that_calls_a_tool_it_does_not_have_is_told(tmp_path: Path) -> None:
    call = ScriptedCall(name="run_code", arguments={"code": "1"})
    wild = ScriptedAnswer(step="planning", agent="planner", sequence=1, tool_calls=(call,))
    heard = await plan(tmp_path, wild, planner(2, GOOD), reviews=0)
    assert heard.result.ok
    assert heard.said("tool") == ["There is no tool 'run_code'. The tools are: none."]


async def test_only_a_person_waives_a_check(tmp_path: Path) -> None:
    check = {"kind": "file_exists", "name": "it is there", "path": "data/fit.json"}
    plans = [{"title": "T", "steps": [{**STEP, "checks": [one]}]} for one in ({**check, "waived": "me"}, check)]
    heard = await plan(tmp_path, planner(1, plans[0]), planner(2, plans[1]), reviews=0)
    assert heard.result.plan == Plan.parse(plans[1])
    assert "the check 'it is there' is waived, which only a person may do" in asked(heard, "planner")[1]


async def test_the_reviewer_says_what_no_check_looks_at_and_the_planner_is_told(tmp_path: Path) -> None:
    check = {"kind": "file_exists", "name": "it is there", "path": "data/fit.json"}
    first = {"title": "T", "steps": [{**STEP, "checks": [check]}, GOOD["steps"][1]]}
    verdict = {"approved": True, "remarks": [], "unchecked": ["fit: the sign of gamma", "report: all its numbers"]}
    said = says(json.dumps(verdict), 1, agent="plan_reviewer", step="planning")
    heard = await plan(tmp_path, planner(1, first), said, planner(2, GOOD))
    (request,) = asked(heard, "plan_reviewer")
    assert "- fit: 1 check (file_exists)\n- report: no check" in request
    revision = asked(heard, "planner")[1]
    assert "no check would notice if this were wrong: fit: the sign of gamma" in revision
    assert "no check would notice if this were wrong: report: all its numbers" in revision
    back = heard.events("handoff")[-1]
    assert back.data["why"] == "approved with remarks; no check for fit: the sign of gamma; report: all its numbers"
    assert heard.events("plan")[-1].data["review"] in revision
