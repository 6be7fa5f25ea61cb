"""Plans: what is read, what is refused, and the words in which it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.errors import PlanInvalid
from engine.model.plan import MAX_BYTES, MAX_STEPS, Plan, path_problem

AGENTS = {"engineer", "researcher"}


def step(identifier: str = "a", **more: Any) -> dict[str, Any]:
    return {"id": identifier, "title": "A step", "agent": "engineer", **more}


def plan(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": "A plan", "steps": list(steps), **more}


def refused(source: Any) -> list[str]:
    with pytest.raises(PlanInvalid) as caught:
        Plan.parse(source, name="plan.json")
    assert str(caught.value).startswith("plan.json cannot run:")
    assert caught.value.exit_code == 2
    return caught.value.problems


def problems(*steps: dict[str, Any]) -> list[str]:
    return Plan.parse(plan(*steps)).problems(AGENTS)


CONTRACT = """{"title": "Fit", "steps": [
 {"id": "data", "title": "Make data", "agent": "engineer"},
 {"id": "fit", "title": "Fit it", "agent": "engineer", "instructions": ["least squares"], "depends_on": ["data"],
  "outputs": ["data/fit.json"], "checks": [{"name": "chi2 is sane", "kind": "json_value", "path": "data/fit.json",
  "pointer": "/chi2_per_dof", "min": 0.5, "max": 2.0}]}]}"""


def test_the_form_of_the_contract_is_read():
    read = Plan.parse(CONTRACT)
    assert [one.id for one in read.steps] == ["data", "fit"]
    assert read.steps[1].depends_on == ("data",)
    assert read.steps[1].checks[0].model_dump(exclude_none=True) == {
        "kind": "json_value",
        "name": "chi2 is sane",
        "path": "data/fit.json",
        "pointer": "/chi2_per_dof",
        "min": 0.5,
        "max": 2.0,
    }
    read.require(AGENTS)


def test_bytes_text_yaml_and_data_say_the_same():
    data = json.loads(CONTRACT)
    expected = Plan.parse(CONTRACT)
    assert Plan.parse(CONTRACT.encode()) == expected
    assert Plan.parse(b"\xef\xbb\xbf" + CONTRACT.encode()) == expected
    assert Plan.parse("\ufeff" + CONTRACT) == expected
    assert Plan.parse(yaml.safe_dump(data)) == expected
    assert Plan.parse(data) == expected


def test_every_kind_of_check_is_read():
    checks: list[dict[str, Any]] = [
        {"kind": "file_exists", "name": "1", "path": "a", "min_bytes": 3},
        {"kind": "csv", "name": "2", "path": "a", "columns": ["x"], "min_rows": 1, "max_rows": 2},
        {"kind": "json_value", "name": "3", "path": "a", "pointer": "/x", "equals": {"y": [1, None, True]}},
        {"kind": "json_value", "name": "4", "path": "a", "pointer": "", "approx": 1, "tolerance": 0.1},
        {"kind": "npz", "name": "5", "path": "a", "arrays": {"x": [-1, 2]}},
        {"kind": "image", "name": "6", "path": "a", "min_width": 10, "min_height": 10, "not_blank": False},
        {"kind": "text_contains", "name": "7", "path": "a", "pattern": "^x"},
        {"kind": "python", "name": "8", "code": "assert 1 < 2"},
    ]
    read = Plan.parse(plan(step(checks=checks)))
    assert [check.kind for check in read.steps[0].checks] == [check["kind"] for check in checks]
    assert read.problems(AGENTS) == []


def test_a_plan_is_the_same_after_its_way_through_json():
    read = Plan.parse(CONTRACT)
    assert Plan.parse(read.model_dump_json()) == read
    assert Plan.parse(read.model_dump(mode="json", exclude_none=True)) == read
    assert Plan.model_validate_json(read.model_dump_json()) == read


# CMBAgent's own form


def test_cmbagents_form_is_read_as_a_sequence():
    read = Plan.parse(
        {
            "sub_tasks": [
                {"sub_task": "Make data", "sub_task_agent": "engineer", "bullet_points": ["50 points", "seed 777"]},
                {"sub_task": "Write it up", "sub_task_agent": "researcher"},
            ]
        }
    )
    assert [(one.id, one.title, one.agent, one.depends_on) for one in read.steps] == [
        ("step_1", "Make data", "engineer", ()),
        ("step_2", "Write it up", "researcher", ("step_1",)),
    ]
    assert read.steps[0].instructions == ("50 points", "seed 777")
    assert read.problems(AGENTS) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"sub_tasks": "all of it"}, ["sub_tasks is not a list"]),
        ({"sub_tasks": [{"sub_task": "x"}]}, ["sub_tasks[0] has no sub_task or no sub_task_agent"]),
        ({"sub_tasks": ["x"]}, ["sub_tasks[0] has no sub_task or no sub_task_agent"]),
        ({"sub_tasks": [], "steps": [], "zeal": 1}, ["unknown key 'steps'", "unknown key 'zeal'"]),
        (
            {"sub_tasks": [{"sub_task": "x", "sub_task_agent": "engineer", "mood": 1}]},
            ["sub_tasks[0]: unknown key 'mood'"],
        ),
        ("1: 2\nx: 3\nsub_tasks: []", ["unknown key '1'", "unknown key 'x'"]),
    ],
)
def test_cmbagents_form_gone_wrong(source: Any, said: list[str]):
    assert refused(source) == said


def test_cmbagents_form_without_tasks_cannot_run():
    assert Plan.parse({"sub_tasks": []}).problems(AGENTS) == ["it has no steps"]


# what is no plan


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "it is empty"),
        (b"", "it is empty"),
        (" \n\t", "it is empty"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "it is not text (UTF-8)"),
        ("title\x00".encode("utf-16"), "it is not text (UTF-8)"),
        ("null", "it is a NoneType, not an object with a title and steps"),
        ("[1, 2]", "it is a list, not an object with a title and steps"),
        ("3.5", "it is a float, not an object with a title and steps"),
        ("Dear planner, here is my plan.", "it is a str, not an object with a title and steps"),
        ('{"title": "x", "steps": [', "it is not JSON: "),
        ("{'title': 'x'}", "it is not JSON: "),
        ("title: 'x\nsteps: []", "it is neither JSON nor YAML: "),
        ("title: \x00", "it is neither JSON nor YAML: "),
        ("title: !!python/object/apply:os.system [id]", "it is neither JSON nor YAML: "),
        ("title: !!bool x", "it is neither JSON nor YAML: "),
        ("title: !!timestamp x", "it is neither JSON nor YAML: "),
        ('{"title": ' + "1" * 5000 + "}", "it is not JSON: "),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(source: str | bytes, said: str):
    (problem,) = refused(source)
    assert problem.startswith(said)
    assert len(problem) < 400


@pytest.mark.parametrize(
    "source",
    [
        '{"title": ' + "[" * 700 + "]" * 700 + "}",
        '{"title": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":' * 100_000,
        "- " * 3_000 + "x",
        "title: &a [*a]",
        {"title": "t", "steps": [step(checks=[{"kind": "json_value", "equals": eval("[" * 60 + "]" * 60)}])]},
    ],
    ids=["brackets", "many brackets", "braces", "yaml", "yaml in a circle", "data"],
)
def test_deep_nesting_is_refused(source: Any):
    assert len(refused(source)) == 1


def test_yaml_that_unfolds_without_end_is_refused():
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]")
    assert refused("\n".join(lines)) == ["it holds too much: its values are too many, or nested too deeply"]


def test_a_huge_file_is_not_read():
    assert refused(b" " * (MAX_BYTES + 1)) == [f"it has {MAX_BYTES + 1} bytes; at most {MAX_BYTES} are read"]
    assert refused("title: x\n" + "# " * 1_000_000)[0].startswith("it is not JSON, and of YAML at most")


def test_ten_thousand_steps_are_counted_and_refused():
    source = json.dumps(plan(*(step(f"s{number}") for number in range(10_000))))
    assert Plan.parse(source).problems(AGENTS) == [f"it has 10000 steps; at most {MAX_STEPS} are allowed"]
    with pytest.raises(PlanInvalid, match="10000 steps"):
        Plan.parse(source).require(AGENTS)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["min", "max", "approx", "tolerance", "equals"])
def test_a_bound_that_is_no_number_is_refused(key: str, number: float):
    check = {"kind": "json_value", "name": "x", "path": "a.json", "pointer": "/x", key: number}
    (problem,) = refused(json.dumps(plan(step(checks=[check]))))
    assert "no number that anything can be compared with" in problem


# another schema


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({}, ["title is missing", "steps is missing"]),
        ({"title": "x"}, ["steps is missing"]),
        (plan({}), ["steps.0.id is missing", "steps.0.title is missing", "steps.0.agent is missing"]),
        (plan(step(), notes="x"), ["unknown key 'notes'"]),
        (plan(step(budget=3)), ["unknown key 'steps.0.budget'"]),
        (plan(step(image=3)), ["unknown key 'steps.0.image'"]),
        (plan(step(python="x"), csv=1), ["unknown key 'steps.0.python'", "unknown key 'csv'"]),
        (
            plan(step(checks=[{"kind": "csv", "name": "x", "path": "a", "rows": 3, "csv": 1}])),
            ["unknown key 'steps.0.checks.0.rows'", "unknown key 'steps.0.checks.0.csv'"],
        ),
        (
            plan(step(checks=[{"kind": "csv"}])),
            ["steps.0.checks.0.name is missing", "steps.0.checks.0.path is missing"],
        ),
        ({"title": "x", "steps": {}}, ["steps: Input should be a valid tuple"]),
        ({"title": 3, "steps": []}, ["title: Input should be a valid string"]),
        (plan(step(outputs="data/a.csv")), ["steps.0.outputs: Input should be a valid tuple"]),
        (plan(step(7)), ["steps.0.id: Input should be a valid string"]),  # pyright: ignore
        ({"plan": CONTRACT}, ["title is missing", "steps is missing", "unknown key 'plan'"]),
    ],
)
def test_another_schema_is_refused_key_by_key(source: Any, said: list[str]):
    assert sorted(refused(source)) == sorted(said)


def test_an_unknown_kind_of_check_is_refused_with_the_kinds_there_are():
    (problem,) = refused(plan(step(checks=[{"kind": "vibes", "name": "x"}])))
    assert problem.startswith("steps.0.checks.0: ")
    assert all(kind in problem for kind in ("file_exists", "csv", "json_value", "npz", "image", "text_contains"))


def test_many_problems_are_cut_short():
    said = refused({f"key_{number}": 1 for number in range(100)})
    assert len(said) == 21
    assert said[-1] == "and 82 more"


def test_texts_are_made_safe_keys_too():
    read = Plan.parse(plan(step("a", title="\x1b[31mred\u202e", instructions=["\x1b]52;c;aGk=\x07x"])))
    assert read.steps[0].title == "red"
    assert "\x1b" not in read.steps[0].instructions[0]
    assert refused({"\x1b[31mkey\x07": 1, "title": "", "steps": []}) == ["unknown key 'key'"]


# a plan that cannot run


def test_a_plan_without_steps():
    assert problems() == ["it has no steps"]


def test_a_duplicate_id():
    assert problems(step("a"), step("b"), step("a")) == ["step 'a': the id is used twice"]


@pytest.mark.parametrize("identifier", ["", " ", "a b", "../x", "a..b", "-a", ".a", "ä", "a/b", "a\nb", "x" * 65])
def test_an_id_that_is_none(identifier: str):
    assert "an id is letters, digits" in problems(step(identifier))[0]


@pytest.mark.parametrize("identifier", ["a", "A1", "fit_damped", "step-2.b", "x" * 64])
def test_an_id_that_is_one(identifier: str):
    assert problems(step(identifier)) == []


@pytest.mark.parametrize("identifier", ["planning", "approval", "terminator"])
def test_an_id_that_the_program_keeps_for_itself(identifier: str):
    assert problems(step(identifier)) == [f"step {identifier!r}: this id is kept for the program's own nodes"]


def test_an_unknown_agent_is_named_with_those_there_are():
    assert problems(step(agent="magician")) == ["step 'a': unknown agent 'magician'; there are engineer, researcher"]


def test_an_unknown_dependency():
    assert problems(step(depends_on=["b"])) == ["step 'a': depends on 'b', which is no step of this plan"]


def test_a_cycle_is_spelled_out():
    said = problems(
        step("start"),
        step("a", depends_on=["start", "c"]),
        step("b", depends_on=["a"]),
        step("c", depends_on=["b"]),
        step("end", depends_on=["c"]),
    )
    assert said == ["the dependencies go round in a circle: a → c → b → a"]


def test_a_step_that_waits_for_itself():
    assert problems(step("a", depends_on=["a"])) == ["the dependencies go round in a circle: a → a"]


def test_a_diamond_is_no_cycle():
    assert (
        problems(
            step("a"),
            step("b", depends_on=["a"]),
            step("c", depends_on=["a", "b"]),
            step("d", depends_on=["b", "c", "a"]),
        )
        == []
    )


def test_a_cycle_at_the_end_of_a_long_chain_is_found():
    chain = [step(f"s{number}", depends_on=[f"s{number + 1}"]) for number in range(MAX_STEPS - 1)]
    said = problems(*chain, step(f"s{MAX_STEPS - 1}", depends_on=[f"s{MAX_STEPS - 3}"]))
    assert said == ["the dependencies go round in a circle: s1997 → s1998 → s1999 → s1997"]


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "~/x", "..", ".", "", " a", "a ", "a\nb", "a\\b", "a/..", "~root"]
)
def test_a_path_outside_is_refused_in_outputs_and_in_checks(path: str):
    check = {"kind": "file_exists", "name": "x", "path": path}
    said = problems(step(outputs=[path]), step("b", checks=[check]))
    assert len(said) == 2
    assert all("outside the work directory" in one or "is not a file path" in one for one in said)


@pytest.mark.parametrize("path", ["a", "data/fit.json", "a/./b", "..a", "a..", ".hidden", "data/γ.csv", "x~"])
def test_a_path_inside_is_allowed(path: str):
    assert path_problem(path) is None


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"kind": "text_contains", "path": "a", "pattern": "("}, "has a pattern that is no regular expression"),
        ({"kind": "json_value", "path": "a", "pointer": "x"}, "has a JSON pointer that does not begin with /"),
        ({"kind": "python", "code": "assert"}, "is not Python: invalid syntax"),
        ({"kind": "python", "code": "return 1"}, "is not Python: 'return' outside function"),
        ({"kind": "python", "code": "-" * 200_000 + "1"}, "is not Python: it is nested too deeply"),
        ({"kind": "python", "code": "(" * 1000}, "is not Python: too many nested parentheses"),
    ],
)
def test_a_check_that_can_never_hold_is_refused_before_the_step(check: dict[str, Any], said: str):
    (problem,) = problems(step(checks=[{"name": "sane", **check}]))
    assert problem.startswith(f"step 'a': the check 'sane' {said}")


def test_looking_at_a_check_prints_no_warning(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder):
    checks = [
        {"kind": "python", "name": "x", "code": 'import re\nassert re.match("\\d", "1") is 1'},
        {"kind": "text_contains", "name": "y", "path": "a", "pattern": "[[a]"},
    ]
    assert problems(step(checks=checks)) == []
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_all_problems_are_said_at_once():
    said = problems(
        step("a", agent="x", depends_on=["nowhere"], outputs=["../y"]), step("a", depends_on=["a"]), step("planning")
    )
    assert len(said) == 6


# anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["title", "steps", "sub_tasks", "id", "agent", "checks", "kind", "path", "outputs", "depends_on"]
)


@given(st.text() | st.binary() | st.dictionaries(KEYS | st.text(), JSON, max_size=5))
@settings(max_examples=300)
def test_whatever_is_read_it_is_a_plan_or_refused(source: Any):
    try:
        read = Plan.parse(source)
    except PlanInvalid as error:
        assert error.problems
    else:
        read.problems(AGENTS)
        assert Plan.parse(read.model_dump_json()) == read
