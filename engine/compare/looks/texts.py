"""Texts, tables and JSON: alike when the numbers in them are."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, cast

from .base import Differs, Unreadable, open_regular, read_whole, short
from .numbers import Ledger

LINE = 16 * 1024 * 1024  # bytes; longest line


def text(one: str, other: str) -> str:
    """Line by line."""
    ledger = Ledger()
    compare_lines(_lines(one), _lines(other), ledger)
    return ledger.words()


def compare_lines(ones: Iterator[str], others: Iterator[str], ledger: Ledger) -> None:
    """Raise Differs at the first line that is not alike."""
    for number, (a, b) in enumerate(zip_longest(ones, others, fillvalue=None), 1):
        if a is None or b is None:
            raise Differs(
                f"line {number} {'is new' if a is None else 'is missing now'}: {short((a or b or '').strip())}"
            )
        if not ledger.alike(a, b):
            raise Differs(f"line {number}: {_apart(a.rstrip(), b.rstrip())}")


def table(one: str, other: str, delimiter: str) -> str:
    """Row by row and cell by cell. What is no table is compared as a text."""
    ledger = Ledger()
    names: list[str] = []
    rows = zip_longest(_rows(one, delimiter), _rows(other, delimiter), fillvalue=None)
    try:
        for number, (a, b) in enumerate(rows, 1):
            if a is None or b is None:
                raise Differs(f"row {number} {'is new' if a is None else 'is missing now'}")
            if number == 1:
                names = a
            if len(a) != len(b):
                raise Differs(f"row {number} has {len(a)} fields, now {len(b)}")
            for place, (x, y) in enumerate(zip(a, b, strict=True)):
                if not ledger.alike(x, y):
                    name = names[place] if number > 1 and place < len(names) else str(place + 1)
                    raise Differs(f"row {number}, column {short(name, 40)[1:-1]}: {short(x, 60)}, now {short(y, 60)}")
    except csv.Error:
        return text(one, other)
    return ledger.words()


def document(one: str, other: str) -> str:
    """JSON, value by value; the order of keys means nothing. What is no JSON is compared as a text."""
    ledger = Ledger()
    try:
        pair = json.loads(read_whole(one)), json.loads(read_whole(other))
    except (ValueError, RecursionError, Unreadable):
        return text(one, other)
    waiting: list[tuple[Any, Any, _Place]] = [(*pair, None)]
    while waiting:
        a, b, place = waiting.pop()
        if isinstance(a, dict) and isinstance(b, dict):
            left, right = cast("dict[str, Any]", a), cast("dict[str, Any]", b)
            for key in (*left, *right):
                if key not in left or key not in right:
                    raise Differs(f"{_pointer((place, key))} {'is new' if key in right else 'is missing now'}")
            waiting += [(left[key], right[key], (place, key)) for key in reversed(left)]
        elif isinstance(a, list) and isinstance(b, list):
            ones, others = cast("list[Any]", a), cast("list[Any]", b)
            if len(ones) != len(others):
                raise Differs(f"{_pointer(place)} has {len(ones)} items, now {len(others)}")
            numbered = list(enumerate(zip(ones, others, strict=True)))
            waiting += [(x, y, (place, str(number))) for number, (x, y) in reversed(numbered)]
        elif not _same_value(a, b, ledger):
            raise Differs(f"{_pointer(place)} = {_shown(a)}, now {_shown(b)}")
    return ledger.words()


_Place = tuple[Any, str] | None  # the place that a value is in, and its key there


def _pointer(place: _Place) -> str:
    """Where a value is, as RFC 6901 writes it."""
    keys: list[str] = []
    while place is not None:
        place, key = place
        keys.append(key.replace("~", "~0").replace("/", "~1"))
    return short("".join(f"/{key}" for key in reversed(keys)), 200)[1:-1] or "the document"


def _same_value(one: Any, other: Any, ledger: Ledger) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return ledger.alike(one, other)
    if (
        one is None
        or other is None
        or isinstance(one, bool | str | dict | list)
        or isinstance(other, bool | str | dict | list)
    ):
        return one is other
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    try:
        return ledger.near(float(one), float(other))
    except OverflowError:
        return one == other


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(cast('list[Any]', value))}"
    return short(value) if isinstance(value, str) else json.dumps(value)[:80]


def _lines(path: str) -> Iterator[str]:
    with open_regular(path) as file:
        while line := file.readline(LINE):
            if len(line) == LINE:
                raise Unreadable(f"it has a line of {LINE:,} bytes or more")
            yield line.decode("utf-8", errors="surrogateescape").rstrip("\r\n")


def _rows(path: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(_lines(path), delimiter=delimiter, strict=True)


def _apart(one: str, other: str) -> str:
    """Two lines, each from a little before the place where they part."""
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, same - 30) if max(len(one), len(other)) > 80 else 0
    lead = "…" if start else ""
    return f"{short(lead + one[start:])}, now {short(lead + other[start:])}"
