"""What failed, and whether trying again helped, as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from engine.model.failures import RetryCount
from engine.model.records import Json


def retries_json(counts: Iterable[RetryCount]) -> Json:
    """Failures by category, with how many the engine retried and how many of those retries succeeded."""
    return {
        "retries": [
            {
                "category": one.category.value,
                "failures": one.failures,
                "retried": one.retried,
                "resolved": one.resolved,
            }
            for one in counts
        ]
    }
