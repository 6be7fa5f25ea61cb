"""Durations, sizes, money, widths, remembered places: the small things that a screen is made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from cmbagent_tui import words
from cmbagent_tui.state.remembered import KEPT, Place, Remembered
from engine.model.records import CostTotal

NOW = datetime(2031, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0.0s"), (0.44, "0.4s"), (9.94, "9.9s"), (9.96, "9s"), (59.9, "59s"), (185, "3m05s"), (7620, "2h07m")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert words.duration(seconds) == shown
    assert len(words.duration(seconds * 1000)) <= 6


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (99_960, "100 kB"), (3_400_000, "3.4 MB")]
)
def test_sizes(count: int, shown: str) -> None:
    assert words.size(count) == shown


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (CostTotal(), "$0.00"),
        (CostTotal(usd_micro=1_234_567, calls=3), "$1.23"),
        (CostTotal(usd_micro=2150, calls=1), "$0.0022"),
        (CostTotal(calls=2, unknown_calls=2), "?"),
        (CostTotal(usd_micro=120_000, calls=2, unknown_calls=1), "$0.12+?"),
    ],
)
def test_an_unknown_cost_is_never_shown_as_nothing(total: CostTotal, shown: str) -> None:
    assert words.cost(total) == shown


def test_what_is_used_is_shown_beside_its_ceiling() -> None:
    total = CostTotal(usd_micro=120_000, prompt_tokens=12_000, completion_tokens=300, calls=3)
    assert words.used(total, {}) == ["cost $0.12"]
    ceilings = {"budget_micro": 1_000_000, "max_tokens": 100_000, "max_calls": 10, "max_time": None}
    assert words.used(total, ceilings) == ["cost $0.12 of $1.00", "12.3k of 100.0k tokens", "3 of 10 calls"]


@pytest.mark.parametrize(
    ("gone", "shown"),
    [(5, "now"), (185, "3 min"), (7300, "2 h"), (90_000, "1 day"), (200_000, "2 days"), (9_000_000, "2031-01-21")],
)
def test_ages(gone: float, shown: str) -> None:
    assert words.age(NOW - timedelta(seconds=gone), NOW) == shown


@pytest.mark.parametrize("text", ["", "abc", "宇宙宇宙宇宙", "a\nb\tc", "x" * 50, "e\u0301" * 9])
@pytest.mark.parametrize("width", [0, 1, 2, 7, 20])
def test_text_fits_its_cells_exactly(text: str, width: int) -> None:
    fitted = words.fit(text, width)
    assert cell_len(fitted) == width and "\n" not in fitted


def test_a_journal_is_named_without_its_directories() -> None:
    assert words.model("journal:/somewhere/demos/oscillator/journal.jsonl") == "journal:oscillator/journal.jsonl"
    assert words.model("openai:org/gpt") == "openai:org/gpt"


def test_places_survive_and_the_oldest_go(tmp_path: Path) -> None:
    first = Remembered(tmp_path / "state")
    for number in range(KEPT + 5):
        first.put(f"run{number}", Place(node=f"n{number}", pane="detail", tab="code"))
    first.save()
    again = Remembered(tmp_path / "state")
    assert again.get(f"run{KEPT + 4}") == Place(f"n{KEPT + 4}", "detail", "code")
    assert again.get("run0") == Place()


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"r": 3}', '{"r": {"other": 1}}'])
def test_a_spoilt_file_of_places_counts_as_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "screens.json").write_text(content)
    assert Remembered(tmp_path).get("r") == Place()
