"""What long texts are made of: rows in any width, nothing lost and nothing obeyed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from cmbagent_tui.slices import at_once
from cmbagent_tui.widgets.detail.blocks import Block, Raw, Span, Words, cut
from cmbagent_tui.widgets.detail.coming import Coming
from cmbagent_tui.widgets.detail.diff import difference
from cmbagent_tui.widgets.detail.highlighting import highlighted
from cmbagent_tui.widgets.detail.markdown import markdown
from cmbagent_tui.widgets.detail.table import Table
from tests.tui.detail_seed import MARKDOWN


def rows(blocks: list[Block] | Block, width: int = 60) -> list[str]:
    """What one would see, row by row."""
    found: list[str] = []
    for block in blocks if isinstance(blocks, list) else [blocks]:
        for number in range(at_once(block.lay_out(width))):
            found.append("".join(span.text for span in block.row(number)).rstrip())
    return found


def test_markdown_is_set_out() -> None:
    assert rows(at_once(markdown(MARKDOWN)), 50) == [
        "What I did",
        "",
        "The fit converged; gamma is 0.137:",
        "",
        "1. read data/oscillation.csv",
        "2. fit",
        "   • weighted",
        "   • two parameters",
        "",
        "model     chi2   dof",
        "────────  ─────  ───",
        "damped    49.1   47",
        "undamped  311.0  48",
        "",
        "▌ A small residual is left, see the note",
        "▌ (https://example.org/note).",
        "",
        "1  def chi2(y, model, sigma):",
        "2      return sum(((y - model) / sigma) ** 2)",
        "",
        "─" * 50,
        "",
        "Done.",
    ]


def test_markdown_in_ascii_is_ascii() -> None:
    assert all(row.isascii() for row in rows(at_once(markdown(MARKDOWN, ascii_only=True))))


@pytest.mark.parametrize(
    "hostile",
    [
        "[bold red]x[/] [/nope] [@click=app.exit]go[/]",
        "<script>alert(1)</script>",
        "a [b](javascript:x) c",
        "&lt;b&gt;",
    ],
)
def test_markup_and_html_are_only_text(hostile: str) -> None:
    shown = " ".join(rows(at_once(markdown(hostile))))
    for word in ("bold red", "script", "javascript:x", "<b>"):
        assert word not in hostile.replace("&lt;", "<").replace("&gt;", ">") or word in shown, shown


def test_links_show_where_they_lead() -> None:
    assert rows(at_once(markdown("[your bank](https://evil.example)"))) == ["your bank (https://evil.example)"]
    assert rows(at_once(markdown("<https://a.example>"))) == ["https://a.example"]


lines = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])), max_size=12)


@settings(max_examples=150, deadline=None)
@given(given_lines=lines, width=st.integers(2, 40))
def test_raw_text_loses_nothing_and_keeps_to_the_width(given_lines: list[str], width: int) -> None:
    text = "\n".join(given_lines)
    shown = [span.text for block in [Raw(text)] for n in range(at_once(block.lay_out(width))) for span in block.row(n)]
    assert "".join(shown) == "".join(given_lines)
    assert all(cell_len(row) <= width for row in shown)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text("ab 宇é", max_size=8), max_size=5), start=st.integers(0, 12), length=st.integers(0, 12))
def test_cutting_a_row_keeps_its_cells(texts: list[str], start: int, length: int) -> None:
    whole = "".join(texts)
    kept = "".join(span.text for span in cut([Span(text) for text in texts], start, start + length))
    assert kept in whole and cell_len(kept) <= length + 1


@pytest.mark.parametrize(
    "block",
    [Raw("a b c d\n" * 5000), at_once(highlighted("x = 1\n" * 3000, "python")), Words(Content("a b c d\n" * 9))],
)
def test_what_was_begun_in_one_width_and_broken_off_is_right_in_another(block: Block) -> None:
    begun = block.lay_out(3)
    next(begun)
    count = at_once(block.lay_out(40))
    begun.close()
    assert [block.row(number) for number in range(at_once(block.lay_out(40)))] == [block.row(n) for n in range(count)]


def test_a_paragraph_hangs_under_its_bullet() -> None:
    block = Words(Content("one two three four five"), Span("- "), Span("  "))
    assert rows(block, 10) == ["- one two", "  three", "  four", "  five"]


def test_a_million_characters_are_laid_out_in_slices_and_only_seen_rows_composed() -> None:
    block = Raw("\n".join("x" * 90 for _ in range(20_000)))
    work = block.lay_out(60)
    assert sum(1 for _ in work) > 20
    assert "".join(span.text for span in block.row(39_999)) == "x" * 30


def test_code_has_numbers_and_its_long_lines_go_on_below() -> None:
    block = at_once(highlighted("a = 1\nb = '" + "x" * 30 + "'\n", "python"))
    assert rows(block, 24) == ["1  a = 1", "2  b = '" + "x" * 16, "   " + "x" * 14 + "'"]
    assert rows(at_once(highlighted("what [is] this", "no-such-language"))) == ["1  what [is] this"]


def test_a_table_gives_way_where_it_is_narrow() -> None:
    cells = [["name", "what it says"], ["a", "a long text that does not fit"], ["宇宙", "[b]x[/b]"]]
    table = Table([[Content(cell) for cell in row] for row in cells])
    assert rows(table, 20) == [
        "name  what it says",
        "────  ──────────────",
        "a     a long text",
        "      that does not",
        "      fit",
        "宇宙  [b]x[/b]",
    ]


def test_a_difference_shows_what_went_and_what_came() -> None:
    assert rows(difference("a\nb\nc", "a\nB\nc")) == ["@@ -1,3 +1,3 @@", "  a", "- b", "+ B", "  c"]


def test_a_stream_reads_only_its_unfinished_part_again() -> None:
    coming = Coming(ascii_only=False)
    whole = MARKDOWN
    for end in range(0, len(whole) + 1, 7):
        shown = rows(list(coming.blocks(whole[:end], printed=False)), 50)
    shown = rows(list(coming.blocks(whole, printed=False)), 50)
    assert shown[1] == "the model is writing"
    assert [row for row in shown[2:] if row] == [row for row in rows(at_once(markdown(whole)), 50) if row]
    assert coming._closed > len(whole) // 2  # pyright: ignore[reportPrivateUsage]
    assert rows(list(coming.blocks("another", printed=False)))[2:] == ["another"]
    assert not list(coming.blocks("", printed=False))
