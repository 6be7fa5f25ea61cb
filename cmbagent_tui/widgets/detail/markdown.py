"""Markdown as rows: headings, paragraphs, lists, quotes, code, tables and rules. What a model writes is shown as it
meant it, and nothing of it is obeyed."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from cmbagent_tui.widgets.detail.blocks import MUTED, Block, Rule, Span, Words, blank
from cmbagent_tui.widgets.detail.highlighting import highlighted
from cmbagent_tui.widgets.detail.table import Table

if TYPE_CHECKING:
    from markdown_it.token import Token

_STYLES = {"strong": "bold", "em": "italic", "s": "strike"}
_HEADINGS = {"h1": "bold underline $text-primary", "h2": "bold $text-primary", "h3": "bold"}
_CODE = "$text-warning"


def markdown(text: str, *, ascii_only: bool = False) -> Generator[None, None, list[Block]]:
    """The blocks of a text, with a blank row between them."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).parse(text)
    yield
    writer = _Writer(ascii_only)
    for token in tokens:
        if token.type in ("fence", "code_block"):
            yield from writer.code(token)
        else:
            writer.write(token)
        if token.level == 0:
            yield
    return writer.blocks


class _Writer:
    """Turns tokens into blocks. What is nested keeps its margins on a stack."""

    def __init__(self, ascii_only: bool) -> None:
        self.blocks: list[Block] = []
        self._ascii = ascii_only
        self._margins: list[str] = []
        self._numbers: list[int | None] = []  # of the lists that are open; None: no numbers
        self._bullet = ""  # what stands before the next paragraph
        self._heading = ""
        self._begins = False  # a list of the outermost level
        self._tight = False  # the paragraphs of a list without blank lines
        self._table: list[list[Content]] | None = None  # rows of cells, inside one

    def write(self, token: Token) -> None:
        """Take one token in."""
        match token.type:
            case "heading_open":
                self._heading = _HEADINGS.get(token.tag, "italic")
            case "heading_close":
                self._heading = ""
            case "paragraph_open":
                self._tight = token.hidden
            case "bullet_list_open" | "ordered_list_open":
                self._begins = not self._numbers
                self._numbers.append(int(token.attrGet("start") or 1) if token.type[0] == "o" else None)
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
            case "list_item_open":
                self._begin_item()
            case "list_item_close":
                self._margins.pop()
                self._bullet = ""
            case "blockquote_open":
                self._margins.append("| " if self._ascii else "▌ ")
            case "blockquote_close":
                self._margins.pop()
            case "hr":
                self._space()
                self.blocks.append(Rule(self._ascii))
            case "table_open":
                self._table = []
            case "tr_open":
                self._rows().append([])
            case "table_close":
                self._space()
                self.blocks.append(Table(self._rows(), ascii_only=self._ascii))
                self._table = None
            case "inline":
                self._inline(token)
            case _:
                pass

    def code(self, token: Token) -> Generator[None, None, None]:
        """A block of code."""
        language = token.info.strip().split(" ")[0] if token.info else ""
        block = yield from highlighted(token.content, language)
        self._space()
        self.blocks.append(block)

    def _begin_item(self) -> None:
        number = self._numbers[-1]
        sign = ("* " if self._ascii else "• ") if number is None else f"{number}. "
        if number is not None:
            self._numbers[-1] = number + 1
        self._bullet = sign
        self._margins.append(" " * len(sign))

    def _inline(self, token: Token) -> None:
        content = inline(token.children or [])
        if self._table:
            self._table[-1].append(content)
            return
        if self._heading:
            content = content.stylize_before(self._heading)
        self._space()
        rest = "".join(self._margins)
        first = "".join(self._margins[:-1]) + self._bullet if self._bullet else rest
        self._bullet = ""
        self.blocks.append(Words(content, Span(first, MUTED), Span(rest, MUTED)))

    def _rows(self) -> list[list[Content]]:
        if self._table is None:
            self._table = []
        return self._table

    def _space(self) -> None:
        """A blank row before a block, but not between the items of a tight list."""
        if self.blocks and (self._begins or not (self._tight and self._numbers)):
            self.blocks.append(blank())
        self._begins = False


def inline(tokens: Sequence[Token]) -> Content:
    """Text with its emphasis, code and links; a link's address is shown, since it cannot be followed unseen."""
    parts: list[Content] = []
    styles: list[str] = []
    links: list[str] = []
    for token in tokens:
        kind, _, phase = token.type.rpartition("_")
        if phase == "open":
            if kind == "link":
                links.append(str(token.attrGet("href") or ""))
            styles.append(_STYLES.get(kind, "underline" if kind == "link" else ""))
        elif phase == "close" and styles:
            styles.pop()
            if kind == "link" and (address := links.pop()) and not (parts and parts[-1].plain == address):
                parts.append(Content.assemble((f" ({address})", MUTED)))
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(Content("\n" if token.type == "hardbreak" else " "))
        elif token.type == "image":
            parts.append(Content.assemble((f"[{token.content or 'image'}: {token.attrGet('src') or ''}]", MUTED)))
        else:
            text = Content(token.content)
            for style in (*styles, _CODE if token.type == "code_inline" else ""):
                text = text.stylize(style) if style else text
            parts.append(text)
    return Content("").join(parts)
