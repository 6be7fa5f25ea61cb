"""Finding a text by what one remembers of it."""

from __future__ import annotations

import pytest

from engine.model.fuzzy import fit

TITLE = "Is this oscillator damped?"


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("oscillator", "oscillator"),
        ("OSC", "osc"),
        ("is this", "Is this"),
        ("osda", "os" + "da"),
        ("oscdmp", "osc" + "dmp"),
        ("itod", "Itod"),
        ("?", "?"),
    ],
)
def test_what_is_remembered_fits_and_its_letters_are_shown(wanted: str, shown: str) -> None:
    found = fit(wanted, TITLE)
    assert found is not None
    assert "".join(TITLE[place] for place in found.places) == shown


@pytest.mark.parametrize("wanted", ["oscillators", "dampedosc", "zz", "cillter", "istd x"])
def test_what_is_not_there_does_not_fit(wanted: str) -> None:
    assert fit(wanted, TITLE) is None


def test_a_whole_word_fits_better_than_a_part_and_that_better_than_letters() -> None:
    texts = ("damped or not", "is it damped", "is it undamped", "deep analysis of many planets")
    scores = [found.score for text in texts if (found := fit("damp", text))]
    assert len(scores) == 4 and scores == sorted(scores) and len(set(scores)) == 4


def test_a_word_that_begins_later_is_preferred_to_a_part_before() -> None:
    assert fit("fit", "unfit to fit") == fit("fit", "no--- to fit")


def test_an_empty_word_fits_everything() -> None:
    assert fit("", TITLE) is not None
