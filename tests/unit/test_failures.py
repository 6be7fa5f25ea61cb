"""The table of failures: twelve categories, a policy for each kind, and what history says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import engine
from engine.model.failures import (
    FEW,
    KINDS,
    Category,
    PastFailure,
    Policy,
    alike,
    chance_of,
    count_retries,
    error_line,
    kind_of,
    signature,
)
from engine.model.records import AttemptState


def past(kind: str, then: AttemptState | None, reason: str | None = "retry", message: str = "it broke") -> PastFailure:
    return PastFailure("s", "r", "n", "a", kind, message, then_reason=reason if then else None, then_state=then)


def test_every_category_has_a_kind_and_what_is_unknown_is_unknown() -> None:
    assert len(Category) == 12
    assert {kind.category for kind in KINDS.values()} == set(Category)
    assert kind_of("never heard of").name == "unknown"


def test_every_failure_that_the_program_names_is_in_the_table() -> None:
    root = Path(engine.__file__).parent
    sources = [one.read_text() for one in (*root.glob("worker/*.py"), *root.glob("runs/*.py"))]
    named = {name for text in sources for name in re.findall(r'(?:AttemptFailed\(|\bcategory=)\s*"(\w+)"', text)}
    assert len(named) > 15
    assert named <= set(KINDS)


@pytest.mark.parametrize(
    "kind",
    [
        "auth",
        "model_not_found",
        "settings",
        "setup",
        "policy",
        "budget",
        "journal",
        "quota",
        "context_length",
        "content_filter",
    ],
)
def test_what_only_a_person_can_change_is_never_retried(kind: str) -> None:
    assert KINDS[kind].policy.most == 0


@pytest.mark.parametrize("kind", ["rate_limit", "network", "timeout", "api_error"])
def test_the_providers_trouble_keeps_what_was_paid_for(kind: str) -> None:
    assert KINDS[kind].policy.continues


@pytest.mark.parametrize("kind", ["type_value", "check_failed", "missing_output", "code_timeout", "code_network"])
def test_work_that_failed_begins_anew(kind: str) -> None:
    assert KINDS[kind].policy.most != 0 and not KINDS[kind].policy.continues


def test_waits_double_up_to_a_ceiling_and_are_spread() -> None:
    policy = Policy(base=4.0, cap=20.0)
    assert [policy.wait(number, None, lambda: 0.0) for number in (1, 2, 3, 4, 50)] == [2.0, 4.0, 8.0, 10.0, 10.0]
    assert policy.wait(1, None, lambda: 0.5) == 3.0
    assert policy.wait(1, None, lambda: 0.999) < 4.0


def test_what_a_server_asks_for_is_never_undercut() -> None:
    policy = Policy(base=4.0, cap=20.0)
    for chance in (0.0, 0.5, 0.999):
        assert 90.0 <= policy.wait(1, 90.0, lambda chance=chance: chance) <= 112.5
    assert policy.wait(5, 0.0, lambda: 0.9) == 0.0


def test_history_says_how_often_a_retry_helped_and_with_few_cases_that_they_are_few() -> None:
    done, failed = AttemptState.COMPLETED, AttemptState.FAILED
    nothing = chance_of("syntax", [past("network", done), past("syntax", None), past("syntax", done, "redo")])
    assert (nothing.cases, nothing.rate) == (0, None)
    assert nothing.words == "no retry after such a failure is on record"
    few = chance_of("syntax", [past("syntax", done)] * (FEW - 1))
    assert few.rate is None and few.words == "4 of 4 retries after such a failure helped: too few to say how likely"
    enough = chance_of("syntax", [past("syntax", done)] * 3 + [past("syntax", failed)] * 2)
    assert enough.rate == 0.6 and enough.words == "3 of 5 retries after such a failure helped (60%)"
    running = chance_of("syntax", [past("syntax", AttemptState.RUNNING)])
    assert running.cases == 0, "one that is not over says nothing"


def test_failures_are_counted_by_category() -> None:
    done, failed = AttemptState.COMPLETED, AttemptState.FAILED
    counts = count_retries(
        [past("check_failed", done), past("data_shape", failed), past("auth", None), past("plan", done, "redo")]
    )
    assert [(one.category.value, one.failures, one.retried, one.resolved) for one in counts] == [
        ("data_shape", 3, 2, 1),
        ("permission", 1, 0, 0),
    ]


def test_the_line_that_names_an_error() -> None:
    assert error_line("it broke", "Traceback …\n  File …\nKeyError: 'x'\n") == "KeyError: 'x'"
    assert error_line("\nthe check 'a' does not hold\nthe check 'b'") == "the check 'a' does not hold"
    assert error_line("", "") == ""


def test_errors_are_alike_whatever_their_numbers_and_places() -> None:
    one = "ValueError: shapes (3,) and (40,) at data/a.csv"
    assert signature(one) == signature("ValueError: shapes (7,) and (1,) at other/deep/b.csv")
    assert signature("KeyError: 'x'") != signature("KeyError: 'flux'")
    found = alike("type_value", one, [past("data_shape", None, message=one), past("type_value", None, message=one)])
    assert [one.kind for one in found] == ["type_value", "data_shape"]
    assert alike("unknown", "", [past("unknown", None, message="")]) == []
    signature("a" * 1_000_000)
