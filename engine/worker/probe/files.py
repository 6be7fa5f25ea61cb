"""Looks at tables, JSON, arrays and text. Each returns what it found in words, or raises Bad."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import struct
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from engine.worker.probe.base import Bad, Job, not_utf8, open_regular, read_text, show

LINE_CHARS = 1024 * 1024  # longest line of a CSV
HEADER_BYTES = 64 * 1024  # largest header of an array


def look_at_csv(job: Job) -> str:
    """Columns by name and the number of rows, read line by line."""
    with open_regular(job["path"]) as file:
        try:
            names, rows = _table(_lines(file))
        except csv.Error as error:
            raise Bad(f"it is not a CSV: {error}") from None
    found = f"{rows} row{'' if rows == 1 else 's'}" + (f", columns {', '.join(names)}" if names else "")
    missing = [name for name in job["columns"] if name not in names]
    if missing:
        raise Bad(f"{found}; without {', '.join(missing)}")
    if job["min_rows"] is not None and rows < job["min_rows"]:
        raise Bad(f"{found}; fewer than {job['min_rows']} rows")
    if job["max_rows"] is not None and rows > job["max_rows"]:
        raise Bad(f"{found}; more than {job['max_rows']} rows")
    return found


def _lines(file: BinaryIO) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        while line := text.readline(LINE_CHARS):
            if len(line) == LINE_CHARS:
                raise Bad(f"it has a line of {LINE_CHARS:,} characters or more")
            yield line
    except UnicodeDecodeError as error:
        raise not_utf8(error) from None


def _table(lines: Iterator[str]) -> tuple[list[str], int]:
    """(names, rows). A first line of nothing but numbers is a row, and there are no names; `# t,y` is numpy's way to
    write names."""
    names: list[str] = []
    rows = width = 0
    for fields in csv.reader(lines, strict=True):
        if not fields:
            continue
        if not width:
            width = len(fields)
            if not all(map(_is_number, fields)):
                names = [field.strip().lstrip("#").strip() for field in fields]
                continue
        rows += 1
        if len(fields) != width:
            raise Bad(f"row {rows} has {len(fields)} fields where the first line has {width}")
    if not width:
        raise Bad("it is empty")
    return names, rows


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def look_at_json(job: Job) -> str:
    """The value at an RFC 6901 pointer, against what is asked of it."""
    try:
        value = json.loads(read_text(job["path"]))
    except (ValueError, RecursionError) as error:
        raise Bad(f"it is not JSON: {str(error)[:200]}") from None
    value = _pointed(value, job["pointer"])
    name = job["pointer"][1:] or "the document"
    if job["equals"] is not None and not _same(value, job["equals"]):
        raise Bad(f"{name} = {show(value)}, not {show(job['equals'])}")
    low, high, near = job["min"], job["max"], job["approx"]
    if low is None and high is None and near is None:
        return f"{name} = {show(value)}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Bad(f"{name} = {show(value)}, not a number")
    return _within(name, value, low, high, near, job["tolerance"])


def _within(
    name: str, value: float, low: float | None, high: float | None, near: float | None, tolerance: float | None
) -> str:
    """Every bound that is set must hold; NaN holds none, because no comparison with it is true."""
    asked: list[str] = []
    if low is not None or high is not None:
        asked.append(f"{'' if low is None else f'{low:g} '}…{'' if high is None else f' {high:g}'}")
    if near is not None:
        spread = tolerance if tolerance is not None else 1e-9 * abs(near)
        asked.append(f"{near:g} ± {spread:g}")
        low = near - spread if low is None else max(low, near - spread)
        high = near + spread if high is None else min(high, near + spread)

    def holds(number: float) -> bool:
        return number == number and (low is None or number >= low) and (high is None or number <= high)

    shown = show(value)
    if holds(value):
        return f"{name} = {shown}, within {' and '.join(asked)}"
    if isinstance(value, float) and holds(float(shown)):
        shown = repr(value)  # six digits would hide what is wrong
    raise Bad(f"{name} = {shown}, outside {' and '.join(asked)}")


def _pointed(value: Any, pointer: str) -> Any:
    """What an RFC 6901 pointer leads to."""
    if pointer and not pointer.startswith("/"):
        raise Bad(f"{pointer!r} is no JSON pointer: it does not begin with /")
    walked = ""
    for raw in pointer.split("/")[1:]:
        token = raw.replace("~1", "/").replace("~0", "~")
        here = walked or "the document"
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value)
            if token not in items:
                raise Bad(f"{here} has no {token!r}; it has {show(list(items))}")
            value = items[token]
        elif isinstance(value, list):
            entries = cast("list[Any]", value)
            if not re.fullmatch("0|[1-9][0-9]{0,17}", token) or int(token) >= len(entries):
                raise Bad(f"{here} is a list of {len(entries)} and has no item {token!r}")
            value = entries[int(token)]
        else:
            raise Bad(f"{here} = {show(value)}, and nothing is below it")
        walked += "/" + raw
    return value


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        ones, others = cast("list[Any]", one), cast("list[Any]", other)
        return len(ones) == len(others) and all(map(_same, ones, others))
    if isinstance(one, dict) and isinstance(other, dict):
        left, right = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return bool(one == other)


def look_at_npz(job: Job) -> str:
    """The arrays' names and shapes."""
    wanted: dict[str, list[int]] = job["arrays"]
    try:
        with open_regular(job["path"]) as file, zipfile.ZipFile(file) as archive:
            members = {info.filename[:-4]: info for info in archive.infolist() if info.filename.endswith(".npy")}
            found = {name: _shape(archive, members[name]) for name in wanted if name in members}
    except zipfile.BadZipFile:
        raise Bad("it is not an npz archive, or it is cut off") from None
    for name, lengths in wanted.items():
        if name not in found:
            raise Bad(f"it has no array {name!r}; it has {', '.join(sorted(members)) or 'none'}")
        shape = found[name]
        if len(shape) != len(lengths) or any(
            length not in (-1, size)
            for length, size in zip(lengths, shape)  # noqa: B905 (3.8)
        ):
            raise Bad(f"{name} has the shape {_size(shape)}, not {_size(lengths)}")
    return ", ".join(f"{name} {_size(shape)}" for name, shape in found.items()) or f"{len(members)} arrays"


def _shape(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...]:
    """The shape in an array's header, which must fit the array's size; the numbers themselves are not unpacked."""
    with archive.open(info) as member:
        head, shape, kind, _ = array_head(cast(BinaryIO, member), info.filename)
    plain = re.fullmatch(r"[<>|=]?([bBhHiIlLuUfFcSV])(\d+)", kind)
    if plain:
        size = int(plain[2]) * (4 if plain[1] == "U" else 1)
        for part in shape:
            size *= part
        if head + size != info.file_size:
            raise Bad(f"{info.filename} says the shape {_size(shape)}, which {info.file_size:,} bytes do not fit")
    return shape


def array_head(file: BinaryIO, name: str) -> tuple[int, tuple[int, ...], str, bool]:
    """What stands before an array's numbers, read: (its bytes, the shape, the numbers' type, whether they go column by
    column)."""
    start = file.read(12)
    if len(start) < 12 or start[:6] != b"\x93NUMPY":
        raise Bad(f"{name} is not an array")
    offset, form = (10, "<H") if start[6] == 1 else (12, "<I")
    length = struct.unpack(form, start[8:offset])[0]
    if length > HEADER_BYTES:
        raise Bad(f"{name} is not an array")
    text = start[offset:] + file.read(length - len(start[offset:]))
    header = ast.literal_eval(text.decode("latin-1"))
    shape = tuple(int(part) for part in header["shape"])
    return offset + length, shape, str(header["descr"]), bool(header["fortran_order"])


def _size(shape: list[int] | tuple[int, ...]) -> str:
    return "(" + ", ".join("any" if part == -1 else str(part) for part in shape) + ")"


def look_at_text(job: Job) -> str:
    """The first place that matches a regular expression (`^` and `$` are the ends of a line)."""
    try:
        pattern = re.compile(job["pattern"], re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise Bad(f"the pattern is not a regular expression: {error}") from None
    found = pattern.search(read_text(job["path"]))
    if not found:
        raise Bad(f"nothing in it matches {job['pattern'][:200]!r}")
    return f"found {found[0][:120]!r}" if found[0] else "found"
