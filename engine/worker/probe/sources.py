"""The numbers that stand in files: what a text may quote."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from math import fsum, isfinite, sqrt
from typing import Any, BinaryIO, List, cast  # noqa: UP035 (3.8)

from engine.worker.probe.base import Bad, open_regular, read_text
from engine.worker.probe.files import array_head

TABLES = (".csv", ".tsv", ".dat")
ARRAYS = (".npz", ".npy")
TEXTS = (".json", ".txt", ".md", ".log", ".yaml", ".yml", ".toml", ".py")
READ = (*TABLES, *ARRAYS, *TEXTS)
WHOLE = 200  # numbers of one column that are all taken; of a longer one what it comes to, or any number would be in it
ITEMS = 2_000_000  # of one array
_NUMBER = re.compile(
    r"(?<![\w.])([-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
    r"(?:\s*[×x*]\s*10\s*(?:\^|\*\*)\s*([-+]?\d{1,3})\b)?(\s*%)?"
)
_SPLIT = re.compile(r"[,;\s]+")
_FORMATS = {
    "f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u8": "Q", "u4": "I", "u2": "H",
    "u1": "B",
}  # fmt: skip
_Column = List[float]  # noqa: UP006 (3.8)


class Sources:
    """The numbers of all files, and how long what is in them is."""

    def __init__(self) -> None:
        self._values: dict[float, str] = {}
        self._sorted: _Column = []
        self.counts: dict[int, str] = {}
        self.unread: list[str] = []

    def __len__(self) -> int:
        return len(self._values)

    def find(self, low: float, high: float) -> str | None:
        """The file that has a number from `low` to `high`, if there is one."""
        if len(self._sorted) != len(self._values):
            self._sorted = sorted(self._values)
        place = bisect_left(self._sorted, low)
        if place < len(self._sorted) and self._sorted[place] <= high:
            return self._values[self._sorted[place]]
        return None

    def read(self, name: str, path: str) -> None:
        """Take in a file; one that cannot be read is noted."""
        ending = name[name.rfind(".") :].lower()
        try:
            if ending in ARRAYS:
                self._arrays(name, path, ending)
            elif ending in TABLES:
                self._table(name, read_text(path))
            elif ending == ".json":
                self._json(name, json.loads(read_text(path)))
            elif ending in TEXTS:
                self.say(name, read_text(path))
        except (Bad, OSError, ValueError, RecursionError, struct.error, zipfile.BadZipFile):
            self.unread.append(name)

    def say(self, name: str, text: str) -> None:
        """Take in every number of a text."""
        self._add(name, numbers_in(text))

    def _add(self, name: str, values: Iterable[float]) -> None:
        for value in values:
            if isfinite(value):
                self._values.setdefault(value, name)

    def _count(self, name: str, count: int) -> None:
        self.counts.setdefault(count, name)

    def _columns(self, name: str, columns: Iterable[_Column]) -> None:
        """Columns of numbers, each whole if it is short; of the others, what they come to and their extreme rows."""
        table = [column for column in columns if column]
        for column in table:
            self._count(name, len(column))
            if len(column) <= WHOLE:
                self._add(name, column)
                continue
            finite = [value for value in column if isfinite(value)]
            self._add(name, (*column[:1], *column[-1:], *_comes_to(finite)))
            for place in {column.index(min(finite)), column.index(max(finite))} if finite else ():
                self._add(name, (other[place] for other in table if len(other) == len(column)))

    def _json(self, name: str, value: Any) -> None:
        stack = [value]
        while stack:
            one = stack.pop()
            if isinstance(one, bool):
                continue
            if isinstance(one, (int, float)):
                self._add(name, [float(one)] if abs(one) < 1e300 else [])
            elif isinstance(one, str):
                self.say(name, one)
            elif isinstance(one, dict):
                held = cast("dict[str, Any]", one)
                self._count(name, len(held))
                stack.extend(held.values())
            elif isinstance(one, list):
                entries = cast("list[Any]", one)
                self._count(name, len(entries))
                if len(entries) > WHOLE and all(type(item) in (int, float) for item in entries):
                    self._columns(name, [[float(item) for item in entries]])
                else:
                    stack.extend(entries)

    def _table(self, name: str, text: str) -> None:
        columns: dict[int, _Column] = {}
        for line in text.splitlines():
            fields = _SPLIT.split(line.strip())
            row = [(place, number) for place, number in enumerate(map(_float, fields)) if number is not None]
            if line.lstrip().startswith("#") or not row:
                self.say(name, line)
            else:
                for place, number in row:
                    columns.setdefault(place, []).append(number)
        self._columns(name, columns.values())

    def _arrays(self, name: str, path: str, ending: str) -> None:
        with open_regular(path) as file:
            if ending == ".npy":
                self._array(name, file)
                return
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    with archive.open(info) as member:
                        self._array(name, cast(BinaryIO, member))

    def _array(self, name: str, file: BinaryIO) -> None:
        _, shape, kind, by_column = array_head(file, name)
        items = 1
        for length in shape:
            items *= length
            self._count(name, length)
        if kind[1:] not in _FORMATS or items > ITEMS:
            self.unread.append(name)
            return
        code = _FORMATS[kind[1:]]
        data = file.read(items * int(kind[2:]))
        numbers = [float(one) for one in struct.unpack(f"{'>' if kind[0] == '>' else '<'}{items}{code}", data)]
        wide = shape[-1] if len(shape) == 2 and 0 < shape[-1] <= 64 else 1
        rows = items // wide
        parts = (
            slice(place * rows, (place + 1) * rows) if by_column else slice(place, None, wide) for place in range(wide)
        )
        self._columns(name, [numbers[part] for part in parts])


def numbers_in(text: str) -> Iterator[float]:
    """Every number that stands in a text; a long dash is a minus, one between two numbers a range."""
    text = re.sub(r"(?<=[\d)])\s*[-–]\s*(?=[\d.])", " ", text.replace("\u2212", "-"))
    for digits, power, percent in _NUMBER.findall(text):
        number = _float(f"{digits.replace(',', '').rstrip('.')}e{power}" if power else digits.replace(",", ""))
        if number is not None:
            yield number
            if percent:
                yield number / 100


def _comes_to(values: _Column) -> Iterator[float]:
    count = len(values)
    if count > 1:
        total, ranked = fsum(values), sorted(values)
        mean = total / count
        square = fsum((value - mean) ** 2 for value in values)
        yield from (ranked[0], ranked[-1], total, mean, (ranked[(count - 1) // 2] + ranked[count // 2]) / 2)
        yield from (sqrt(square / count), sqrt(square / (count - 1)))


def _float(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
