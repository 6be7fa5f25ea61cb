"""Bars and sparklines: nothing is shown of nothing, something of whatever is more, and what is unknown is said."""

from __future__ import annotations

from cmbagent_tui.bars import bar, sparkline


def test_a_bar_is_as_long_as_its_part():
    assert bar(0, 10, 8) == bar(5, 10, 0) == bar(0, 0, 8) == ""
    assert bar(10, 10, 8) == bar(99, 10, 8) == "████████"
    assert bar(5, 10, 8) == "████"
    assert bar(1, 16, 8) == "▌"
    assert bar(1, 10**15, 8) == "▏"
    assert bar(5, 10, 8, ascii_only=True) == "####"
    assert bar(1, 10**15, 8, ascii_only=True) == "#"


def test_a_sparkline_is_as_high_as_its_numbers():
    assert sparkline([]) == ""
    assert sparkline([0, 1, 4, 8, 10**15]) == " ▁▁▁█"
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8]) == " ▁▂▃▄▅▆▇█"
    assert sparkline([None, 0, 0]) == "?  "
    assert sparkline([0, 1, 8, None], ascii_only=True) == " _@?"
