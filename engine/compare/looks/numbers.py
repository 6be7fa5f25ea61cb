"""When two numbers are alike, as numbers and within texts."""

from __future__ import annotations

import math
import re

from .base import ATOL, RTOL

_TOLERANCE = f"rtol {RTOL:g}, atol {ATOL:g}"

# Blanks before a number belong to it: a column that is set to the right moves when a sign comes.
_NUMBER = re.compile(r"(?:(?<! ) +)?[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"\s*[-+]?[0-9]+\s*")
_DIGITS = 400  # longest number that is read as one


class Ledger:
    """Compares numbers, and remembers how many differed and by how much at most."""

    def __init__(self) -> None:
        self.count = 0
        self.worst = 0.0

    def near(self, one: float, other: float) -> bool:
        """Whether two numbers are alike. Infinities and NaN are like themselves alone."""
        if one == other or (one != one and other != other):
            return True
        if math.isinf(one) or math.isinf(other):
            return False
        gap = abs(one - other)
        if not gap <= ATOL + RTOL * abs(one):
            return False
        self.count += 1
        self.worst = max(self.worst, gap / abs(one) if one else gap)
        return True

    def alike(self, one: str, other: str) -> bool:
        """Whether two texts are the same but for numbers that are alike. Whole numbers count or name things: those must
        be equal."""
        if one == other:
            return True
        if _NUMBER.split(one) != _NUMBER.split(other):
            return False
        return all(map(self._same_number, _NUMBER.findall(one), _NUMBER.findall(other)))

    def _same_number(self, one: str, other: str) -> bool:
        if one == other:
            return True
        if max(len(one), len(other)) > _DIGITS:
            return False
        if _WHOLE.fullmatch(one) and _WHOLE.fullmatch(other):
            return int(one) == int(other)
        return self.near(float(one), float(other))

    def words(self) -> str:
        """What was found, when all were alike."""
        if not self.count:
            return "the same values, written in another way"
        numbers = "1 number differs" if self.count == 1 else f"{self.count:,} numbers differ"
        return f"{numbers} within {_TOLERANCE}, by {self.worst:.1e} of the value at most"
