"""NumPy's files, without NumPy: arrays number by number, in pieces, and never a pickled object."""

from __future__ import annotations

import ast
import re
import struct
import sys
import zipfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

from .base import PIECE, Differs, Unreadable, open_regular
from .numbers import Ledger

_HEADER = 64 * 1024  # bytes; longest header
_MEMBERS = 10_000  # of an archive
_NATIVE = "<" if sys.byteorder == "little" else ">"
_FLOATS = {"f2": "e", "f4": "f", "f8": "d", "c8": "f", "c16": "d"}
_WHOLES = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


@dataclass(frozen=True, slots=True)
class _Form:
    """What an array's header says. `code` is the letter of its numbers for `struct`, "" for what is none."""

    descr: str
    fortran: bool
    shape: tuple[int, ...]
    order: str
    code: str
    parts: int  # numbers of one element: 2 of a complex one


def npy(one: str, other: str) -> str:
    """One array."""
    ledger = Ledger()
    with open_regular(one) as a, open_regular(other) as b:
        _compare("the array", a, b, ledger)
    return ledger.words()


def npz(one: str, other: str) -> str:
    """The arrays of an archive, by name."""
    ledger = Ledger()
    try:
        with open_regular(one) as a, open_regular(other) as b, zipfile.ZipFile(a) as left, zipfile.ZipFile(b) as right:
            ones, others = (sorted(archive.namelist()) for archive in (left, right))
            if max(len(ones), len(others)) > _MEMBERS:
                raise Unreadable(f"it has more than {_MEMBERS:,} members")
            for name in sorted({*ones, *others}):
                if ones.count(name) != others.count(name):
                    raise Differs(f"the array {_named(name)} {'is new' if name not in ones else 'is missing now'}")
                with left.open(name) as x, right.open(name) as y:
                    if name.endswith(".npy"):
                        _compare(_named(name), x, y, ledger)  # pyright: ignore[reportArgumentType]
                    else:
                        _compare_bytes(_named(name), x, y)  # pyright: ignore[reportArgumentType]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unreadable(f"it is no npz archive that can be read: {error}") from None
    return ledger.words()


def _named(member: str) -> str:
    return repr(member.removesuffix(".npy")[:60])[1:-1]


def _compare(name: str, one: BinaryIO, other: BinaryIO, ledger: Ledger) -> None:
    form, now = _form(name, one), _form(name, other)
    if form.shape != now.shape:
        raise Differs(f"{name} has the shape {form.shape}, now {now.shape}")
    if (form.descr, form.fortran) != (now.descr, now.fortran):
        raise Differs(f"{name} is of type {_typed(form)}, now {_typed(now)}")
    if not form.code:
        _compare_bytes(f"{name} (of type {_typed(form)})", one, other)
        return
    width = struct.calcsize("=" + form.code)
    whole = form.code in _WHOLES.values()
    expected = prod(form.shape) * form.parts * width
    at = 0
    for a, b in _pieces(one, other, PIECE - PIECE % width):
        if a != b:
            if len(a) != len(b) or len(a) % width:
                break
            ones, others = _numbers(a, form), _numbers(b, form)
            for place, (x, y) in enumerate(zip(ones, others, strict=True)):
                if x != y and (whole or not ledger.near(x, y)):
                    where = _index(at // width + place, form)
                    raise Differs(f"{name}{where} = {x!r}, now {y!r}")
        at += len(a)
    if at != expected:
        raise Unreadable(f"{name} says the shape {form.shape}, which does not fit its size")


def _compare_bytes(name: str, one: BinaryIO, other: BinaryIO) -> None:
    at = 0
    for a, b in _pieces(one, other, PIECE):
        if a != b:
            same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            raise Differs(f"{name} differs from byte {at + same:,} on")
        at += len(a)


def _pieces(one: BinaryIO, other: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    while True:
        a, b = _full(one, size), _full(other, size)
        if not a and not b:
            return
        yield a, b


def _full(file: BinaryIO, size: int) -> bytes:
    """Exactly `size` bytes, unless the file ends before: what unpacks may give less at a time."""
    parts: list[bytes] = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _numbers(data: bytes, form: _Form) -> Sequence[Any]:
    if form.code == "e":
        return struct.unpack(f"{form.order}{len(data) // 2}e", data)
    if form.code == "?":
        return data
    numbers: array[Any] = array(form.code, data)
    if form.order != _NATIVE:
        numbers.byteswap()
    return numbers


def _index(place: int, form: _Form) -> str:
    """Where the number that stands at this place belongs."""
    place, part = divmod(place, form.parts)
    lengths = form.shape if form.fortran else form.shape[::-1]
    index: list[int] = []
    for length in lengths:
        place, here = divmod(place, length)
        index.append(here)
    shown = ", ".join(map(str, index if form.fortran else index[::-1]))
    return f"[{shown}]{('.real', '.imag')[part] if form.parts == 2 else ''}"


def _typed(form: _Form) -> str:
    return f"{form.descr[:60]}{' in Fortran order' if form.fortran else ''}"


def _form(name: str, file: BinaryIO) -> _Form:
    start = _full(file, 10)
    if len(start) < 10 or start[:6] != b"\x93NUMPY":
        raise Unreadable(f"{name} is no array of NumPy's")
    length = int.from_bytes(start[8:10] if start[6] == 1 else start[8:10] + _full(file, 2), "little")
    if length > _HEADER:
        raise Unreadable(f"{name} has a header of {length:,} bytes")
    try:
        header: Any = ast.literal_eval(_full(file, length).decode("latin-1").strip())
        descr, fortran = header["descr"], bool(header["fortran_order"])
        shape = tuple(int(part) for part in header["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        raise Unreadable(f"{name} has a header that cannot be read") from None
    if min(shape, default=0) < 0:
        raise Unreadable(f"{name} says the shape {shape}")
    plain = re.fullmatch(r"([<>|=]?)([a-zA-Z][0-9]+)", descr) if isinstance(descr, str) else None
    kind = plain[2] if plain else ""
    order = ">" if plain and plain[1] == ">" else "<" if plain and plain[1] == "<" else _NATIVE
    code = _FLOATS.get(kind) or _WHOLES.get(kind, "")
    return _Form(str(descr), fortran, shape, order, code, 2 if kind.startswith("c") and code else 1)
