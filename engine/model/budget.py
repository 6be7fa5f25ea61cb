"""Budgets: what a run may use up, as plain arithmetic. What is used and what is reserved together never pass a ceiling.

The worst case of a model call is reserved before it is made: the tokens that its request cannot have more of, those
that its answer is allowed, and what both cost. What it really used takes the reservation's place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from engine.model.money import decimal_usd, micro_usd

_BYTES_OF_A_TOKEN = 2  # of a request, at least: text has 3 to 5, dense tables and hashes a little more than 2
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Ceiling(StrEnum):
    """What a ceiling is on."""

    USD = "usd"
    TOKENS = "tokens"
    CALLS = "calls"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Use:
    """What was used, or may be: micro-USD (of calls whose price is known), tokens of requests and answers together,
    model calls, seconds at work."""

    usd_micro: int = 0
    tokens: int = 0
    calls: int = 0
    seconds: float = 0.0

    def __add__(self, other: Use) -> Use:
        return Use(
            self.usd_micro + other.usd_micro,
            self.tokens + other.tokens,
            self.calls + other.calls,
            self.seconds + other.seconds,
        )

    def of(self, ceiling: Ceiling) -> float:
        """How much of what a ceiling is on."""
        amounts = {Ceiling.USD: self.usd_micro, Ceiling.TOKENS: self.tokens, Ceiling.CALLS: self.calls}
        return amounts.get(ceiling, self.seconds)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How much may be used up; None: without a ceiling."""

    usd_micro: int | None = None
    tokens: int | None = None
    calls: int | None = None
    seconds: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is a ceiling at all."""
        return any(self.of(one) is not None for one in Ceiling)

    def of(self, ceiling: Ceiling) -> float | None:
        """The ceiling on this, if there is one."""
        amounts = {Ceiling.USD: self.usd_micro, Ceiling.TOKENS: self.tokens, Ceiling.CALLS: self.calls}
        return self.seconds if ceiling is Ceiling.TIME else amounts[ceiling]

    def passed_by(self, use: Use) -> Ceiling | None:
        """The first ceiling that this use would pass. At work is no moment longer than allowed."""
        for one in Ceiling:
            most = self.of(one)
            if most is not None and (use.of(one) > most or (one is Ceiling.TIME and use.of(one) >= most)):
                return one
        return None


@dataclass(slots=True)
class Ledger:
    """What is used, and what is reserved for the calls that are being made, by a name of each.

    A call counts as one from when it is reserved: whatever becomes of it, it was made.
    """

    ceilings: Ceilings
    used: Use
    reserved: dict[str, Use]

    def lacks(self, worst: Use) -> Ceiling | None:
        """The ceiling that a call would pass even if nothing else was being made."""
        return self.ceilings.passed_by(self.used + worst)

    def crowded(self, worst: Use) -> bool:
        """Whether it would pass one because of what else is being made."""
        return self.ceilings.passed_by(sum(self.reserved.values(), self.used + worst)) is not None

    def reserve(self, name: str, worst: Use) -> None:
        """A call is being made. What was reserved under its name before is let go."""
        self.reserved[name] = replace(worst, calls=0)
        self.used += Use(calls=worst.calls)

    def settle(self, name: str, real: Use) -> None:
        """What a call has really used is known."""
        self.reserved.pop(name, None)
        self.used += replace(real, calls=0)

    def release(self, names: str) -> None:
        """Nothing more is heard of the calls whose names begin so."""
        self.reserved = {name: use for name, use in self.reserved.items() if not name.startswith(names)}


def most_tokens(request_bytes: int) -> int:
    """The tokens that a request of so many bytes (UTF-8) has at most."""
    return -(-request_bytes // _BYTES_OF_A_TOKEN)


def words(ceiling: Ceiling, amount: float) -> str:
    """An amount of what a ceiling is on, for people."""
    match ceiling:
        case Ceiling.USD:
            return f"${decimal_usd(int(amount))}"
        case Ceiling.TOKENS:
            return f"{int(amount):,} tokens"
        case Ceiling.CALLS:
            return f"{int(amount):,} model call{'' if int(amount) == 1 else 's'}"
        case Ceiling.TIME:
            return f"{amount:,.0f} s at work"


def amount_of(ceiling: Ceiling, text: str) -> float:
    """What a person wrote as an amount: 2.50 or $2.50, 20000, 45m.

    Raises:
        ValueError: it is none, or not more than 0.
    """
    text = text.strip().lower().replace("_", "")
    if ceiling is Ceiling.USD:
        amount = float(micro_usd(text.removeprefix("$")))
    elif ceiling is Ceiling.TIME:
        amount = seconds_of(text)
    else:
        found = re.match(r"[\d,]{1,20}", text)
        amount = float(found[0].replace(",", "") or 0) if found and found[0] == text else 0.0
    if amount <= 0:
        raise ValueError(f"not an amount of {ceiling.value}: {text!r}")
    return amount


def seconds_of(text: str) -> float:
    """A span of time in seconds: 90s, 45m, 1.5h, 2d; a number alone is seconds.

    Raises:
        ValueError: it is none, or not more than 0.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw]?)", text.strip().lower())
    if not found or float(found[1]) <= 0:
        raise ValueError(f"not a span of time: {text!r}")
    return float(found[1]) * _SPANS[found[2] or "s"]
