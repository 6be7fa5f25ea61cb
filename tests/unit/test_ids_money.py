"""Ids keep the order in which they were made; money is never rounded by accident."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.ids import new_id, short
from engine.model.money import decimal_usd, micro_usd


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front():
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_ids_made_in_a_burst_sort_as_they_were_made():
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_made_by_many_threads_are_unique_and_in_order_in_each():
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: [new_id() for _ in range(2_000)], range(8)))
    assert all(batch == sorted(batch) for batch in batches)
    assert len({one for batch in batches for one in batch}) == 16_000


def test_parent_and_child_of_a_fork_make_different_ids():
    program = (
        "import os\nfrom engine.model.ids import new_id\nos.fork()\nos.write(1, f'{new_id()[-16:]}\\n'.encode())\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(said)) == 2


def test_ids_keep_their_order_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch):
    first = new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000_000_000)
    assert new_id() > first
    assert new_id() > first


def test_the_short_form_tells_ids_of_one_moment_apart():
    made = [new_id() for _ in range(1_000)]
    assert len({short(one) for one in made}) == len(made)
    assert all(one.replace("-", "").endswith(short(one)) and len(short(one)) == 8 for one in made)


@pytest.mark.parametrize(
    ("amount", "micro"),
    [
        ("1.50", 1_500_000),
        ("0", 0),
        (0.1, 100_000),
        (Decimal("0.0000005"), 1),
        (Decimal("-0.0000005"), -1),
        ("0.00000049", 0),
        ("1e3", 1_000_000_000),
        (0.1 + 0.2, 300_000),
        ("123456789012.123456", 123_456_789_012_123_456),
    ],
)
def test_dollars_become_micro_dollars(amount: Decimal | str | float, micro: int):
    assert micro_usd(amount) == micro


@pytest.mark.parametrize(
    "amount",
    ["", "abc", "1,5", "$1", "NaN", "inf", float("nan"), float("-inf"), "1 2", "1e13", "-1e99999", "1e999999999"],
)
def test_what_is_no_amount_is_refused(amount: str | float):
    with pytest.raises(ValueError, match="not an amount of money"):
        micro_usd(amount)


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (1_500_000, "1.50"),
        (0, "0.00"),
        (1, "0.000001"),
        (-1, "-0.000001"),
        (10, "0.00001"),
        (1_000_000, "1.00"),
        (1_234_567, "1.234567"),
        (100_000_000_000_000, "100000000.00"),
    ],
)
def test_micro_dollars_are_shown_as_a_decimal(micro: int, text: str):
    assert decimal_usd(micro) == text


@given(st.integers(-9 * 10**18, 9 * 10**18))
def test_what_is_shown_reads_back_as_the_same_money(micro: int):
    text = decimal_usd(micro)
    assert micro_usd(text) == micro
    assert "e" not in text.lower()
    assert len(text.partition(".")[2]) in range(2, 7)


@given(st.decimals(-(10**12), 10**12, places=9))
def test_rounding_is_to_the_nearest_and_even_handed(amount: Decimal):
    assert abs(Decimal(micro_usd(amount)) / 1_000_000 - amount) <= Decimal("0.0000005")
    assert micro_usd(-amount) == -micro_usd(amount)


@given(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_larger_sums_show_larger(one: int, other: int):
    assert (one < other) == (Decimal(decimal_usd(one)) < Decimal(decimal_usd(other)))
