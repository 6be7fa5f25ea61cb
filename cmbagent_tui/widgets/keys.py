"""A line of keys and what they do, at the foot of a dialog."""

from __future__ import annotations

from textual.content import Content


def key_line(*keys: tuple[str, str]) -> Content:
    """`a approve   r reject`, the keys set off."""
    parts = [Content.assemble((key, "bold $text-accent"), (f" {what}", "$foreground 70%")) for key, what in keys]
    return Content("   ").join(parts)
