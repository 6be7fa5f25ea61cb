"""Highlighted code, in slices: a long program takes longer than a key may wait."""

from __future__ import annotations

from collections.abc import Generator

from cmbagent_tui.widgets.detail.blocks import Code, Span

MOST = 200_000  # characters that are highlighted; what is longer is shown plain
_PART = 100  # tokens after which the keys have their turn
_BY_ENDING = {"py": "python", "json": "json", "md": "markdown", "sh": "bash", "yaml": "yaml", "yml": "yaml", "c": "c"}
_BY_ENDING |= {"toml": "toml", "tex": "latex", "sql": "sql", "r": "r", "jl": "julia", "cpp": "cpp", "f90": "fortran"}


def language_of(path: str) -> str:
    """The language of a file by its name; empty: none that is known."""
    return _BY_ENDING.get(path.rpartition(".")[2].lower(), "")


def highlighted(text: str, language: str) -> Generator[None, None, Code]:
    """Code with its colours and line numbers; plain where the language is not known."""
    text = text.expandtabs(4).rstrip("\n")
    lexer = _lexer(language) if len(text) <= MOST else None
    if lexer is None:
        return Code(text, [[Span(line)] for line in text.split("\n")])
    yield
    lines: list[list[Span]] = [[]]
    for number, (kind, token) in enumerate(lexer.get_tokens(text)):
        style = _style_of(kind)
        for place, part in enumerate(token.split("\n")):
            if place:
                lines.append([])
            if part:
                lines[-1].append(Span(part, style))
        if number % _PART == _PART - 1:
            yield
    while len(lines) > text.count("\n") + 1:
        lines.pop()
    return Code(text, lines)


def _lexer(language: str):  # type: ignore[no-untyped-def]  # Pygments has no types
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=True)
    except ClassNotFound:
        return None


def _style_of(kind) -> str:  # type: ignore[no-untyped-def]
    from textual.highlight import HighlightTheme

    while kind is not None:
        if style := HighlightTheme.STYLES.get(kind):
            return style
        kind = kind.parent
    return ""
