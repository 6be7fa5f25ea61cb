"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Told: TypeAlias = Callable[[str, int, int], None]
"""Called now and then, in whichever thread works: what is being done, how much of it is done, how much there is (0: not
known)."""


def silent(what: str, done: int, total: int) -> None:
    """For whom it does not concern."""
