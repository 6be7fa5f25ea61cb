"""A plan while it is edited: what each change does, what is wrong with which step, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from cmbagent_tui.bullets import as_bullets, read_bullets
from cmbagent_tui.state.plan_draft import PlanDraft
from engine.model.errors import PlanInvalid

AGENTS = ("engineer", "researcher")


def step(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "title": f"Do {name}", "agent": "engineer", "depends_on": list(needs), **more}


def draft(*steps: dict[str, Any]) -> PlanDraft:
    return PlanDraft({"title": "A plan", "steps": list(steps)}, AGENTS)


def wiring(one: PlanDraft) -> dict[str, list[str]]:
    return {step["id"]: step.get("depends_on", []) for step in one.steps}


def test_a_step_is_added_behind_another_dropped_moved_and_rewired_and_each_can_be_undone() -> None:
    one = draft(step("a"), step("b", "a"), step("c", "b"))
    assert not one.problems()
    place = one.add(0)
    added = {"id": "step_1", "title": "", "agent": "engineer", "depends_on": ["a"]}
    assert (place, one.steps[1]) == (1, added)
    assert one.problems().of_steps == {1: ["it has no title"]}
    one.drop(0)
    assert wiring(one) == {"step_1": [], "b": [], "c": ["b"]}
    assert one.move(2, -1) == 1 and list(wiring(one)) == ["step_1", "c", "b"]
    assert one.move(0, -1) == 0, "the first stays the first"
    one.toggle(0, "c")
    assert wiring(one)["step_1"] == ["c"]
    one.toggle(1, "b")
    assert wiring(one)["c"] == []
    for _ in range(5):
        assert one.undo()
    assert not one.undo()
    assert wiring(one) == {"a": [], "b": ["a"], "c": ["b"]}


def test_what_waits_for_a_dropped_step_waits_for_what_that_waited_for() -> None:
    one = draft(step("a"), step("x"), step("b", "a", "x"), step("c", "x", "b"))
    one.drop(2)
    assert wiring(one) == {"a": [], "x": [], "c": ["x", "a"]}
    assert not one.problems()


def test_a_new_id_is_followed_by_what_waits_for_it_but_not_into_a_step_that_has_it_already() -> None:
    one = draft(step("a"), step("b", "a"), step("c", "b"))
    one.put(0, {"id": "data"})
    assert wiring(one) == {"data": [], "b": ["data"], "c": ["b"]}
    one.put(0, {"id": "c"})
    assert wiring(one)["b"] == ["data"]
    found = one.problems()
    assert "the id is used twice" in found.of_steps[2]
    assert found.of_steps[1] == ["depends on 'data', which is no step of this plan"]


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        ({"agent": "wizard"}, 1, "unknown agent 'wizard'; there are engineer, researcher"),
        ({"id": "planning"}, 1, "this id is kept for the program's own nodes"),
        ({"id": ""}, 1, "an id is letters, digits"),
        ({"outputs": ["../x"]}, 1, "leads outside the work directory"),
        ({"checks": [{"name": "n", "kind": "csv"}]}, 1, "path is missing"),
        ({"checks": [{"name": "n", "kind": "magic", "path": "x"}]}, 1, "Input tag 'magic'"),
        ({"checks": [{"name": "n", "kind": "python", "code": "for"}]}, 1, "is not Python"),
        ({"checks": "- name: [", "title": "x"}, 1, "the checks are no list in YAML"),
        ({"title": " "}, 1, "it has no title"),
        ({"surprise": 1}, 1, "unknown key 'surprise'"),
    ],
)
def test_what_is_wrong_is_said_of_the_step_that_it_is_wrong_with(change: Any, place: int, said: str) -> None:
    one = draft(step("a"), step("b", "a"), step("c", "b"))
    one.put(place, change)
    found = one.problems()
    assert any(said in problem for problem in found.of_steps[place]), found
    assert f"step {place + 1} (" in found.first(one.steps) or change.get("id") == ""
    with pytest.raises(PlanInvalid):
        one.plan()


def test_a_circle_is_said_of_every_step_in_it_and_an_empty_plan_of_itself() -> None:
    one = draft(step("a"), step("b", "a"), step("c", "b"), step("d"))
    one.toggle(0, "c")
    found = one.problems()
    assert set(found.of_steps) == {0, 1, 2}
    assert "the dependencies go round in a circle" in found.first(one.steps)
    empty = draft(step("a"))
    empty.drop(0)
    assert empty.problems().general == ["it has no steps"]


def test_what_is_typed_is_made_safe_and_a_plan_that_is_none_can_be_mended() -> None:
    one = draft(step("a"))
    one.put(0, {"title": "red \x1b[31mtitle", "checks": [{"name": "\x1b[1mn", "kind": "file_exists", "path": "x"}]})
    assert (one.steps[0]["title"], one.steps[0]["checks"][0]["name"]) == ("red title", "n")
    broken = PlanDraft({"title": "t", "steps": [{"id": "a", "agent": "engineer", "surprise": 1}]}, AGENTS)
    assert set(broken.problems().of_steps) == {0}
    with pytest.raises(PlanInvalid):
        broken.plan()


def test_instructions_as_text_and_back() -> None:
    given = ("One.", "Two\nlines.\n\n  set in", "- dashed")
    assert read_bullets(as_bullets(given)) == given
    assert read_bullets("plain\n\n  lines \n") == ("plain", "lines")
    assert read_bullets("before\n- first\n  more") == ("before", "first\nmore")
    assert read_bullets(" \n") == ()
