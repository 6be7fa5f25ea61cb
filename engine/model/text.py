"""Hostile text made safe, once, where it enters.

Terminals obey escape sequences, C1 controls and bidirectional overrides wherever they come from, and Textual and Rich
pass them on. Everything from a model, a tool, a file, a server or another user goes through here before it becomes part
of an event, a message or a title.
"""

from __future__ import annotations

import re

# Only what carries no words is dropped: a sequence that could swallow text (OSC, DCS …) loses its introducer and shows
# the rest, so that nothing can hide from the person who approves it.
_ESCAPES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]")
# C0 but \t and \n, DEL, C1, bidi controls, zero-width and invisible characters, line/paragraph separators, tags,
# interlinear annotation, and lone surrogates (which no UTF-8 stream can carry).
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str, limit: int | None = None) -> str:
    """Return text without anything that a terminal would obey, keeping newlines and tabs.

    Carriage returns become newlines, so that a progress bar stays readable. With a limit (in characters) the text is
    cut there and says so.
    """
    safe = text
    if not _is_plain(text):
        safe = _UNSAFE.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")).replace("\r", "\n"))
    if limit is not None and len(safe) > limit:
        return f"{safe[:limit]}… [{len(safe) - limit} more characters]"
    return safe


def one_line(text: str, limit: int = 200) -> str:
    """Cleaned text on a single line, white space folded, cut with an ellipsis at the limit (in characters)."""
    head = text[: 4 * limit]  # nearly always more than enough, and the text may be a book
    if len(head) < len(text) and _is_plain(head) and len(flat := " ".join(head.split())) > limit:
        return flat[: limit - 1] + "…"
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def slug(text: str, limit: int = 40) -> str:
    """The words of a text as part of a file's name, in lower-case ASCII; "" when it has none."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit]


def _is_plain(text: str) -> bool:
    """Whether there is nothing to clean: everything that is dropped or replaced is unprintable in Unicode's sense. Five
    times as fast as to look for it."""
    return text.replace("\n", "").replace("\t", "").isprintable()
