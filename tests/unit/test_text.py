"""Hostile text: nothing that a terminal would obey gets through, and nothing that a person would read is lost."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.model.text import clean, one_line

ANYTHING = st.text(st.characters(exclude_categories=()))  # surrogates too
HOSTILE = st.lists(
    st.sampled_from(
        [
            *(
                "\x1b[",
                "\x1b]52;c;",
                "\x1bP",
                "\x1b_",
                "\x1b",
                "\x9b",
                "\x9d",
                "\x90",
                "\x07",
                "\x1b\\",
                "\x9c",
                "31m",
                "?",
            ),
            *("\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\udfff", "\r", "\n", "\t", "\x00", "\x7f", "\x85"),
            *("[bold]", "[/]", "a", "é", "😀", " ", ";", "2J", "\u2028", "\U000e0041"),
        ]
    )
).map("".join)


def unsafe(text: str) -> list[str]:
    """Characters that a terminal may obey or that cannot be seen."""
    return [
        character
        for character in text
        if (character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"))
        or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or character in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u061c\u200e\u200f"
    ]


@given(ANYTHING | HOSTILE)
@example("\x1b\x1b[31m[31m")
@example("\x1b[3\x1b[1m1m")
def test_nothing_that_a_terminal_obeys_is_left(text: str):
    assert unsafe(clean(text)) == []


@given(ANYTHING | HOSTILE)
@example("\x1b\x1b[31m[31m")
def test_cleaning_twice_changes_nothing(text: str):
    assert clean(clean(text)) == clean(text)
    assert one_line(one_line(text)) == one_line(text)


@given(ANYTHING | HOSTILE)
def test_what_is_cleaned_can_be_written_as_utf8(text: str):
    assert clean(text).encode("utf-8").decode("utf-8") == clean(text)


@given(ANYTHING | HOSTILE, st.integers(1, 50))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line == " ".join(line.split())
    assert not set(line) & set("\n\r\t")


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_plain_text_is_left_as_it_is(text: str):
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),  # CSI
        ("\x9b31mred", "red"),  # CSI as one C1 character
        ("\x1b[38;2;1;2;3mx", "x"),
        ("\x1b[?1049h\x1b[2J\x1b[Hx", "x"),
        ("\x1b]52;c;aGVsbG8=\x07x", "52;c;aGVsbG8=x"),  # OSC 52 writes the clipboard: shown, not obeyed
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "8;;http://alink8;;"),
        ("\x1bPq#0\x1b\\x", "q#0x"),  # DCS
        ("\x1b(0x", "x"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("pass\u200bword", "password"),
        ("a\ufeffb\u00adc", "abc"),
        ("a\ud800b", "ab"),
        ("a\x00b\x07c\x7fd\x85e", "abcde"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("a\tb\nc", "a\tb\nc"),
    ],
)
def test_what_is_left_of_a_sequence(text: str, left: str):
    assert clean(text) == left


def test_an_unfinished_sequence_swallows_nothing():
    assert "delete everything" in clean("\x1b]0;delete everything")
    assert "delete everything" in clean("\x1bP delete everything")
    assert "delete everything" in clean("\x90 delete everything")
    assert "verything" in clean("\x1b[ everything")  # whose first letter is the sequence's last


def test_markup_is_text():
    assert clean("[bold red]x[/] [@click=app.quit]y") == "[bold red]x[/] [@click=app.quit]y"
    assert one_line("[link=file:///etc]a") == "[link=file:///etc]a"


def test_a_text_past_its_limit_says_how_much_is_missing():
    assert clean("x" * 12, 10) == "x" * 10 + "… [2 more characters]"
    assert clean("x" * 10, 10) == "x" * 10


def test_a_line_past_its_limit_ends_in_an_ellipsis():
    assert one_line("a  b\n\tc", 5) == "a b c"
    assert one_line("abcdef", 5) == "abcd…"


def test_emoji_and_accents_stay():
    assert clean("χ² = 2.35 ± 0.1 → naïve 日本語 😀") == "χ² = 2.35 ± 0.1 → naïve 日本語 😀"


def test_a_large_text_is_cleaned_in_reasonable_time():
    assert clean("\x1b[" * 500_000).count("\x1b") == 0
    assert clean("\x1b[" + "0;" * 1_000_000)


@given(st.one_of(ANYTHING, HOSTILE), st.integers(2, 40))
@example("a b" * 100, 10)
@example(" " * 100 + "end", 5)
@example("x" * 19 + "\x1b[31mred", 5)
def test_a_line_is_cut_as_if_all_of_it_had_been_folded(text: str, limit: int):
    folded = " ".join(clean(text).split())
    assert one_line(text, limit) == (folded if len(folded) <= limit else folded[: limit - 1] + "…")


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp"))))
def test_what_can_be_read_is_left_alone(text: str):
    assert clean(text) == text


def test_every_character_that_is_dropped_is_noticed():
    kept = [chr(code) for code in range(0x110000) if clean(chr(code)) == chr(code)]
    assert kept == [one for one in kept if clean(f"\x1b[m{one}") == one]
