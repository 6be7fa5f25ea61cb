"""The sheet of all keys as the README has it. `python -m cmbagent_tui.keymap.sheet README.md` writes it anew."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from cmbagent_tui.keymap.catalogue import every_key

BEGIN = "<!-- keys: written by `make keys`, from the bindings -->"
END = "<!-- end of keys -->"


def table() -> str:
    """Every key, as a table of Markdown."""
    lines = ["| where | key | what it does | id |", "| --- | --- | --- | --- |"]
    for where, keys in groupby(every_key(), lambda one: one.where):
        for number, one in enumerate(keys):
            written = " ".join(f"`{key}`" for key in one.written.replace("|", "\\|").split())
            lines.append(f"| {'' if number else where} | {written} | {one.what} | `{one.id}` |")
    return "\n".join(lines)


def renewed(text: str) -> str:
    """A page with the table between its markers written anew.

    Raises:
        ValueError: the markers are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{BEGIN} … {END} are not there")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
