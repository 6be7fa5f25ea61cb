"""The arithmetic of budgets: used and reserved together never pass a ceiling."""

from __future__ import annotations

import random

import pytest

from engine.model.budget import Ceiling, Ceilings, Ledger, Use, amount_of, most_tokens, seconds_of, words


def test_what_is_reserved_counts_until_it_is_settled_or_let_go() -> None:
    ledger = Ledger(Ceilings(tokens=100), Use(), {})
    ledger.reserve("a/x", Use(tokens=60, calls=1))
    assert ledger.lacks(Use(tokens=60)) is None and ledger.crowded(Use(tokens=60))
    ledger.settle("a/x", Use(tokens=30))
    assert ledger.used == Use(tokens=30, calls=1) and not ledger.crowded(Use(tokens=60))
    ledger.reserve("a/x", Use(tokens=60, calls=1))
    ledger.release("a/")
    assert ledger.used == Use(tokens=30, calls=2) and not ledger.crowded(Use(tokens=70))
    assert ledger.lacks(Use(tokens=71)) is Ceiling.TOKENS


def test_a_ceiling_may_be_reached_but_not_passed_and_time_may_not_be_reached() -> None:
    assert Ceilings(calls=3).passed_by(Use(calls=3)) is None
    assert Ceilings(calls=3).passed_by(Use(calls=4)) is Ceiling.CALLS
    assert Ceilings(seconds=3).passed_by(Use(seconds=3)) is Ceiling.TIME
    assert Ceilings(usd_micro=5, calls=1).passed_by(Use(usd_micro=6, calls=2)) is Ceiling.USD
    assert Ceilings().passed_by(Use(10**12, 10**12, 10**12, 1e12)) is None and not Ceilings().any


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_no_ceiling_is_passed(seed: int) -> None:
    """16 at once, each settled with no more than its worst case, or let go."""
    chance = random.Random(seed)
    ceilings = Ceilings(usd_micro=5_000, tokens=9_000, calls=60)
    ledger, made = Ledger(ceilings, Use(), {}), dict[str, Use]()
    real = Use()
    for _ in range(2_000):
        name = f"{chance.randrange(16)}/agent"
        if name in made:
            worst = made.pop(name)
            if chance.random() < 0.2:
                ledger.release(name)
            else:
                spent = Use(chance.randint(0, worst.usd_micro), chance.randint(0, worst.tokens))
                ledger.settle(name, spent)
                real += spent
        else:
            worst = Use(chance.randint(0, 400), chance.randint(1, 700), 1)
            if ledger.lacks(worst) is None and not ledger.crowded(worst):
                ledger.reserve(name, worst)
                made[name] = worst
                real += Use(calls=1)
        assert ceilings.passed_by(sum(made.values(), real + Use(calls=-len(made)))) is None
    assert ledger.used == real


@pytest.mark.parametrize(
    ("ceiling", "text", "amount"),
    [
        (Ceiling.USD, "$2.50", 2_500_000),
        (Ceiling.TOKENS, "20,000", 20_000),
        (Ceiling.CALLS, "3", 3),
        (Ceiling.TIME, "45m", 2_700),
        (Ceiling.TIME, "1.5 h", 5_400),
    ],
)
def test_amounts_are_read_as_people_write_them(ceiling: Ceiling, text: str, amount: float) -> None:
    assert amount_of(ceiling, text) == amount


@pytest.mark.parametrize(
    ("ceiling", "text"),
    [
        *((one, text) for one in Ceiling for text in ("", "a lot", "-1", "0", "1e999", "٣x")),
        (Ceiling.CALLS, "2.5"),
        (Ceiling.TOKENS, ","),
    ],
)
def test_what_is_no_amount_is_refused(ceiling: Ceiling, text: str) -> None:
    with pytest.raises(ValueError):
        amount_of(ceiling, text)


def test_words_and_sizes() -> None:
    assert [words(Ceiling.USD, 120_000), words(Ceiling.CALLS, 1), words(Ceiling.TOKENS, 20_000)] == [
        "$0.12",
        "1 model call",
        "20,000 tokens",
    ]
    assert (most_tokens(0), most_tokens(1), most_tokens(4_001)) == (0, 1, 2_001)
    assert seconds_of("90") == 90
