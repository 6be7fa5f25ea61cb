"""What an approval shows, as text: names and values, one below the other, texts as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

_INDENT = "  "


def shown_content(values: Mapping[str, Any]) -> Content:
    """All of it; nothing is left out, however long."""
    parts = [
        Content.assemble((f"{key.replace('_', ' ')}\n", "bold $text-primary"), "\n".join(_lines(value)), "\n\n")
        for key, value in values.items()
        if value not in (None, "", [], {})
    ]
    return Content("").join(parts)


def _lines(value: Any, indent: str = "") -> list[str]:
    if isinstance(value, Mapping):
        found: list[str] = []
        for key, item in value.items():
            below = _lines(item, indent + _INDENT)
            simple = not isinstance(item, Mapping | list | tuple) and len(below) == 1
            found += [f"{indent}{key}: {below[0].strip()}"] if simple else [f"{indent}{key}:", *below]
        return found
    if isinstance(value, Sequence) and not isinstance(value, str):
        found = []
        for item in value:
            below = _lines(item, indent + _INDENT)
            found += [f"{indent}- {below[0].strip()}", *below[1:]] if below else [f"{indent}-"]
        return found
    return [f"{indent}{line}" for line in str(value).split("\n")]
