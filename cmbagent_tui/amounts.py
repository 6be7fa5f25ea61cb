"""Sizes and spans of time, as a person writes them."""

from __future__ import annotations

import re
from datetime import timedelta

from engine.model.errors import UsageError

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_SPANS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def size_of(text: str) -> int:
    """Bytes: 800000, 500MB, 1.5 GB.

    Raises:
        UsageError: it is no size.
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)\s*([kmgt]?)b?", text.strip().lower())
    if not found:
        raise UsageError(f"{text!r} is no size", "Give it like 500MB or 40GB.")
    return int(float(found[1]) * _UNITS[found[2]])


def span_of(text: str) -> timedelta:
    """A span of time: 45m, 12h, 30d, 8w.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(\d{1,5})\s*([mhdw])", text.strip().lower())
    if not found:
        raise UsageError(f"{text!r} is no span of time", "Give it like 12h, 30d or 8w.")
    return int(found[1]) * _SPANS[found[2]]
