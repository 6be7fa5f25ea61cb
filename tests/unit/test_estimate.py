"""What a plan may cost is told from the past alone, and says what it rests on."""

from __future__ import annotations

from engine.model.estimate import PastStep, estimate

GPT = ("engineer", "openai:gpt-5")


def past(calls: int, tokens: int, usd: int | None, who: tuple[str, str] = GPT) -> PastStep:
    return PastStep(*who, calls, tokens, usd)


def test_without_a_past_there_is_no_number() -> None:
    others = [past(3, 900, 100, ("researcher", GPT[1])), past(3, 900, 100, (GPT[0], "openai:gpt-4o"))]
    assert estimate([GPT], others) == "none: no step of these agents and models was completed here before"


def test_the_median_of_each_step_is_summed_and_the_largest_is_the_most() -> None:
    said = estimate([GPT, GPT], [past(2, 1_000, 10_000), past(3, 2_000, 20_000), past(10, 9_000, 90_000)] * 2)
    assert said == (
        "about $0.04 (at most $0.18), 6 model calls (at most 20), 4,000 tokens (at most 18,000); "
        "from 6 completed steps of the same agents and models"
    )


def test_few_cases_and_steps_without_any_are_said() -> None:
    said = estimate([GPT, ("researcher", "openai:gpt-5")], [past(1, 500, 1_000)])
    assert said.startswith("about $0.001, 1 model call, 500 tokens for 1 of 2 steps, since nothing like the others")
    assert said.endswith("from 1 completed step of the same agents and models, which are few")


def test_an_unknown_price_is_no_price() -> None:
    assert "$" not in estimate([GPT], [past(1, 500, None)] * 5)
    assert "price is missing" in estimate([GPT], [past(1, 500, None)] * 5)
