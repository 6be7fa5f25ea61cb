"""What a plan may cost, told from what steps of the same agents and models have cost before: never a made-up number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from engine.model.money import decimal_usd

FEW = 5  # past steps; fewer are said to be few


@dataclass(frozen=True, slots=True)
class PastStep:
    """What a completed step took, over all its attempts; `usd_micro` is None where a price is not known."""

    agent: str
    model: str
    calls: int
    tokens: int
    usd_micro: int | None


def estimate(steps: Sequence[tuple[str, str]], past: Sequence[PastStep]) -> str:
    """What steps of these agents and models may take, in words, with the basis of it.

    For each step stands the median of the past steps of its agent and model, and as the most the largest of them.
    """
    known: dict[tuple[str, str], list[PastStep]] = {}
    for one in past:
        known.setdefault((one.agent, one.model), []).append(one)
    like = [known[step] for step in steps if step in known]
    if not like:
        return "none: no step of these agents and models was completed here before"
    cases = sum(len(known[step]) for step in {*steps} if step in known)
    said = [_dollars(like), *(_amount(like, name) for name in ("calls", "tokens"))]
    basis = f"from {cases} completed step{'' if cases == 1 else 's'} of the same agents and models"
    basis += ", which are few" if cases < FEW else ""
    left = len(steps) - len(like)
    part = f" for {len(like)} of {len(steps)} steps, since nothing like the others was completed here" if left else ""
    return f"about {', '.join(said)}{part}; {basis}"


def _amount(like: Sequence[Sequence[PastStep]], name: str) -> str:
    values = [[int(getattr(one, name)) for one in cases] for cases in like]
    middle, most = round(sum(median(cases) for cases in values)), sum(max(cases) for cases in values)
    unit = name if name == "tokens" else "model call" if middle == 1 else "model calls"
    return f"{middle:,} {unit}" + (f" (at most {most:,})" if most > middle else "")


def _dollars(like: Sequence[Sequence[PastStep]]) -> str:
    priced = [[one.usd_micro for one in cases if one.usd_micro is not None] for cases in like]
    if not all(priced):
        return "an amount of USD that nobody knows (a price is missing)"
    middle, most = round(sum(median(cases) for cases in priced)), sum(max(cases) for cases in priced)
    return f"${decimal_usd(middle)}" + (f" (at most ${decimal_usd(most)})" if most > middle else "")
