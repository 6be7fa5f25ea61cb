"""A step's instructions as text that a person edits, and back: one a line, or where they are longer, a dash before
each."""

from __future__ import annotations

from collections.abc import Iterable


def as_bullets(instructions: Iterable[str]) -> str:
    """Instructions as lines with a dash, the further lines of one set in under it."""
    return "\n".join("- " + "\n  ".join(one.split("\n")) for one in instructions)


def read_bullets(text: str) -> tuple[str, ...]:
    """The instructions of a text: each line with a dash begins one; without any dash, each line is one."""
    lines = text.split("\n")
    if not any(line.startswith("- ") for line in lines):
        return tuple(line.strip() for line in lines if line.strip())
    found: list[list[str]] = []
    for line in lines:
        if line.startswith("- "):
            found.append([line.removeprefix("- ")])
        elif found:
            found[-1].append(line.removeprefix("  "))
        elif line.strip():
            found.append([line.strip()])
    return tuple(said for one in found if (said := "\n".join(one).strip()))
