"""Reading what the program printed as a person does: by step, and with an eye for what a terminal would obey."""

from __future__ import annotations

import re
import unicodedata

_LINE = re.compile(r"^\d\d:\d\d:\d\d  (\S+) +")


def told(err: str, step: str) -> str:
    """What the progress of a headless run said about one step ("run": about the run), the lines that follow its own
    included."""
    lines: list[str] = []
    about = ""
    for line in err.splitlines():
        began = _LINE.match(line)
        about = began[1] if began else about
        if about == step:
            lines.append(line)
    return "\n".join(lines)


def obeyed(text: str) -> set[str]:
    """The characters in a printed text that a terminal would obey, or that turn or hide what is around them; empty when
    it is plain text."""
    return {one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") and one not in "\n\t"}
