"""Money is kept as whole micro-USD and shown as a decimal string: binary floats never carry it."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

_MICRO = Decimal(1_000_000)
_LARGEST = Decimal(9_000_000_000_000)  # dollars: what a database's 64 bits hold as micro-USD


def micro_usd(amount: Decimal | str | float) -> int:
    """Convert dollars to whole micro-USD, halves away from zero.

    Raises:
        ValueError: the text is no number, or one beyond nine million million dollars.
    """
    try:
        value = Decimal(str(amount))
    except InvalidOperation as error:
        raise ValueError(f"not an amount of money: {amount!r}") from error
    if not value.is_finite() or not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"not an amount of money: {amount!r}")
    return int((value * _MICRO).to_integral_value(ROUND_HALF_UP))


def decimal_usd(micro: int) -> str:
    """Micro-USD as a decimal string of dollars, at least two decimals: 1_500_000 → "1.50"."""
    text = f"{Decimal(micro) / _MICRO:.6f}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"
