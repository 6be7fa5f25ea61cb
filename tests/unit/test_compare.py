"""Comparing two versions of a file: what counts as alike, what is said of a difference, and files that mean harm."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from engine.compare.files import Pair, look_into
from engine.compare.looks.main import judge
from engine.compare.trees import Content, compare_trees
from engine.model.comparison import Comparison, FileComparison, Likeness
from storage.blobs import FileBlobs

ROOT = Path(__file__).parents[2]
Versions = tuple[str, str | bytes, str | bytes]


def looked(tmp_path: Path, name: str, one: str | bytes, other: str | bytes) -> tuple[bool, str]:
    paths = tmp_path / "one", tmp_path / "other"
    for path, content in zip(paths, (one, other), strict=True):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return judge(name, *map(str, paths))


ALIKE: dict[str, tuple[Versions, str]] = {
    "numbers": (("a.txt", "chi2 = 51.8000001 of 47\n", "chi2 = 51.8 of 47\n"), "1 number differs within rtol 1e-06"),
    "tiny numbers": (("a.txt", "mean 0.0\n", "mean -3e-17\n"), "atol 1e-12"),
    "columns": (("a.dat", "  1.00  2.5\n", " -1e-13 2.5\n".replace("-1e-13", "1.0000001")), "1 number differs"),
    "line ends": (("a.txt", "a\r\nb\r\n", "a\nb\n"), "the same values, written in another way"),
    "keys": (("a.json", '{"a": 1, "b": [1.5]}', '{"b": [1.5], "a": 1}'), "the same values"),
    "json": (("a.json", '{"a": 0.1, "n": NaN}', '{"a": 0.1000000001, "n": NaN}'), "by 1.0e-09 of the value at most"),
    "whole": (("a.json", "[1, 2.0]", "[1.0, 2]"), "the same values"),
    "text in json": (("a.json", '"chi2 = 1.10000001"', '"chi2 = 1.1"'), "1 number differs"),
    "csv": (("a.csv", "t,y\n0,1.0\n1,2.00000001\n", "t,y\n0,1\n1,2\n"), "1 number differs"),
    "tsv": (("a.tsv", "t\ty\n0\tx 1.0\n", "t\ty\n0\tx 1.00000001\n"), "1 number differs"),
    "no table": (("a.csv", '"a,1.0\n', '"a,1.00000001\n'), "1 number differs"),
    "no json": (("a.json", "{half 1.0", "{half 1.00000001"), "1 number differs"),
    "dates of a drawing": (
        ("a.svg", "<svg><dc:date>2026-01-01</dc:date></svg>", "<svg><dc:date>2027-05-05</dc:date></svg>"),
        "the same but for dates and names",
    ),
    "names of a drawing": (
        (
            "a.svg",
            '<a id="m3f"/>\n<b href="#m3f" clip="url(#m3f)"/>',
            '<a id="p9c"/>\n<b href="#p9c" clip="url(#p9c)"/>',
        ),
        "the same but for dates and names",
    ),
}

DIFFERENT: dict[str, tuple[Versions, str]] = {
    "numbers": (("a.txt", "one\nx = 1.5\n", "one\nx = 1.50001\n"), "line 2: 'x = 1.5', now 'x = 1.50001'"),
    "counts": (("a.txt", "n = 1000000\n", "n = 1000001\n"), "line 1"),
    "words": (("a.md", "it is damped", "it is not damped"), "line 1: 'it is damped', now 'it is not damped'"),
    "less": (("a.txt", "a\nb\nc\n", "a\nb\n"), "line 3 is missing now: 'c'"),
    "more": (("a.txt", "a\n", "a\nnew\n"), "line 2 is new: 'new'"),
    "a long line": (("a.txt", "x" * 500 + "a", "x" * 500 + "b"), "…"),
    "nan": (("a.json", "[1.0]", "[NaN]"), "/0 = 1.0, now NaN"),
    "infinite": (("a.json", "[Infinity]", "[1e300]"), "/0 = Infinity, now 1e+300"),
    "json": (("a.json", '{"fit": {"g/h": [1, 2]}}', '{"fit": {"g/h": [1, 3]}}'), "/fit/g~1h/1 = 2, now 3"),
    "json's first": (("a.json", "[1, [2, 3], 4]", "[1, [2, 9], 9]"), "/1/1 = 3, now 9"),
    "a lost key": (("a.json", '{"a": {"b": 1}}', '{"a": {}}'), "/a/b is missing now"),
    "a new key": (("a.json", '{"a": {}}', '{"a": {"b": 1}}'), "/a/b is new"),
    "items": (("a.json", "[[1]]", "[[1, 2]]"), "/0 has 1 items, now 2"),
    "kinds": (("a.json", "[true]", "[1]"), "/0 = true, now 1"),
    "null": (("a.json", "[null]", "[{}]"), "/0 = null, now an object of 0"),
    "huge": (("a.json", f"[{'9' * 400}]", "[1.0]"), "/0 = 999"),
    "cells": (("a.csv", "t,y\n0,1\n1,2\n", "t,y\n0,1\n1,2.1\n"), "row 3, column y: '2', now '2.1'"),
    "fields": (("a.csv", "t,y\n0,1\n", "t,y\n0,1,2\n"), "row 2 has 2 fields, now 3"),
    "rows": (("a.csv", "t\n0\n1\n", "t\n0\n"), "row 3 is missing now"),
    "names of columns": (("a.csv", "t,y\n", "t,z\n"), "row 1, column 2: 'y', now 'z'"),
    "a drawing": (("a.svg", '<a id="m"/><p d="1 2"/>', '<a id="n"/><p d="1 3"/>'), "line 1"),
    "bytes": (("a.bin", b"\0\1\2\3", b"\0\1\7\3"), "from byte 2 on"),
    "cut off": (("a.bin", b"\0\1\2\3", b"\0\1"), "from byte 2 on"),
    "another kind": (("a.png", b"\x89PNG\r\n\x1a\n", b"hello"), "from byte 0 on"),
}


@pytest.mark.parametrize(("versions", "words"), ALIKE.values(), ids=ALIKE)
def test_what_is_alike(tmp_path: Path, versions: Versions, words: str):
    alike, said = looked(tmp_path, *versions)
    assert alike, said
    assert words in said


@pytest.mark.parametrize(("versions", "words"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_is_named(tmp_path: Path, versions: Versions, words: str):
    alike, said = looked(tmp_path, *versions)
    assert not alike
    assert words in said
    assert len(said) < 400


# Arrays


def npy(descr: str, shape: tuple[int, ...], data: bytes, fortran: bool = False) -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def npz(**arrays: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def doubles(*values: float, order: str = "<") -> bytes:
    return struct.pack(f"{order}{len(values)}d", *values)


def test_arrays_are_held_to_the_tolerance(tmp_path: Path):
    many = [number / 7 for number in range(100_000)]
    near = [value * (1 + 1e-9) for value in many]
    alike, said = looked(
        tmp_path, "a.npy", npy("<f8", (100, 1000), doubles(*many)), npy("<f8", (100, 1000), doubles(*near))
    )
    assert alike and "99,999 numbers differ within" in said
    near[54_321] += 1.0
    alike, said = looked(
        tmp_path, "a.npy", npy("<f8", (100, 1000), doubles(*many)), npy("<f8", (100, 1000), doubles(*near))
    )
    assert not alike and said.startswith("the array[54, 321] = 7760.14")


@pytest.mark.parametrize(
    ("descr", "letter", "one", "other", "alike"),
    [
        (">f8", ">d", 1.0, 1.0 + 1e-9, True),
        (">f8", ">d", 1.0, 1.1, False),
        ("<f4", "<f", 1.0, 1.0000005, True),
        ("<f2", "<e", 1.0, 1.5, False),
        ("<i8", "<q", 10**9, 10**9 + 1, False),
        ("|u1", "B", 1, 2, False),
        ("|b1", "?", True, False, False),
    ],
)
def test_arrays_of_every_type(tmp_path: Path, descr: str, letter: str, one: float, other: float, alike: bool):
    versions = [npy(descr, (2,), struct.pack(letter, one) + struct.pack(letter, last)) for last in (one, other)]
    found, said = looked(tmp_path, "a.npy", *versions)
    assert found is alike, said
    assert alike or "the array[1] = " in said


def test_complex_numbers_and_fortran_order(tmp_path: Path):
    found = looked(tmp_path, "a.npy", npy("<c16", (2,), doubles(1, 2, 3, 4)), npy("<c16", (2,), doubles(1, 2, 3, 5)))
    assert found == (False, "the array[1].imag = 4.0, now 5.0")
    one, other = doubles(0, 1, 2, 3, 4, 5), doubles(0, 1, 2, 9, 4, 5)
    found = looked(tmp_path, "a.npy", npy("<f8", (2, 3), one, True), npy("<f8", (2, 3), other, True))
    assert found == (False, "the array[1, 1] = 3.0, now 9.0")


def test_archives_of_arrays_go_by_name(tmp_path: Path):
    x, y = npy("<f8", (2,), doubles(1, 2)), npy("<f8", (2,), doubles(1, 2.0000000001))
    assert looked(tmp_path, "a.npz", npz(x=x, y=y), npz(y=x, x=x))[0]
    cases = {
        "y is missing now": npz(x=x),
        "z is new": npz(x=x, y=y, z=x),
        "y[1] = 2.0000000001, now 3.0": npz(x=x, y=npy("<f8", (2,), doubles(1, 3))),
        "y has the shape (2,), now (1, 2)": npz(x=x, y=npy("<f8", (1, 2), doubles(1, 2))),
        "y is of type <f8, now <f4": npz(x=x, y=npy("<f4", (2,), struct.pack("<2f", 1, 2))),
    }
    for words, other in cases.items():
        alike, said = looked(tmp_path, "a.npz", npz(x=x, y=y), other)
        assert not alike and words in said


def test_pickled_objects_are_compared_as_bytes_and_never_loaded(tmp_path: Path):
    evil = b"cposix\nsystem\n(S'touch " + str(tmp_path / "harm").encode() + b"'\ntR."
    alike, said = looked(tmp_path, "a.npy", npy("|O", (1,), evil), npy("|O", (1,), evil + b" "))
    assert not alike and "of type |O" in said
    assert not (tmp_path / "harm").exists()


# Pictures


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    rows: list[bytes], *, depth: int = 8, colour: int = 2, filters: str = "0", extra: bytes = b"", width: int = 0
) -> bytes:
    """A PNG of unfiltered rows, each stored by one of the filters, in turn."""
    step = max(1, depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8)
    stored, above = b"", bytes(len(rows[0]))
    for number, row in enumerate(rows):
        kind = int(filters[number % len(filters)])
        left, corner = bytes(step) + row, bytes(step) + above
        stored += bytes([kind]) + bytes(
            (value - guess(kind, left[at], above[at], corner[at])) & 255 for at, value in enumerate(row)
        )
        above = row
    width = width or len(rows[0]) // step
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(stored)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    return min((left, up, corner), key=lambda one: abs(left + up - corner - one))


def painting(width: int = 40, height: int = 40, seed: int = 1) -> list[bytes]:
    """Paper with some noise on it, so that every filter has something to do."""
    noise = random.Random(seed)
    return [
        b"".join(
            bytes(noise.randrange(256) for _ in range(3)) if noise.random() < 0.2 else b"\xff\xff\xff"
            for _ in range(width)
        )
        for _ in range(height)
    ]


@pytest.mark.parametrize("filters", ["1", "2", "3", "4", "01234", "4321"])
def test_pictures_are_compared_as_they_look_however_they_are_stored(tmp_path: Path, filters: str):
    rows = painting()
    text = chunk(b"tEXt", b"Software\0something newer")
    alike, said = looked(tmp_path, "a.png", png(rows), png(rows, filters=filters, extra=text))
    assert (alike, said) == (True, "the same pixels")
    rows[31] = rows[31][:60] + b"\0\0\0" + rows[31][63:]
    alike, said = looked(tmp_path, "a.png", png(painting(), filters=filters), png(rows, filters=filters))
    assert "0.062 % of the pixels differ" in said


def test_pictures_that_hardly_differ_are_alike(tmp_path: Path):
    rows = painting()
    other = [bytes(min(255, value + 1) for value in row) for row in rows]
    alike, said = looked(tmp_path, "a.png", png(rows), png(other))
    assert alike and "of the range on average" in said and "within 1 % on average and 2 % in any part" in said


def test_a_curve_that_moved_is_a_difference_though_most_of_the_figure_is_paper(tmp_path: Path):
    def figure(line: int) -> list[bytes]:
        rows = [b"\xff" * 3 * 600 for _ in range(600)]
        for number in range(line, line + 3):
            rows[number] = b"\xff" * 300 + b"\x20\x60\xa0" * 400 + b"\xff" * 300
        return rows

    alike, said = looked(tmp_path, "a.png", png(figure(300), filters="2"), png(figure(306), filters="2"))
    assert not alike
    assert "of 32 × 32 pixels at (" in said
    mean = float(said.split("by ")[1].split(" %")[0])
    assert mean < 1, "the mean over the whole figure says nothing"


@pytest.mark.parametrize(("depth", "colour"), [(1, 0), (2, 0), (4, 0), (16, 0), (8, 0), (8, 4), (8, 6), (16, 6)])
def test_pictures_of_every_depth(tmp_path: Path, depth: int, colour: int):
    size = 16 * max(1, depth * {0: 1, 4: 2, 6: 4}[colour] // 8) if depth >= 8 else 16 * depth // 8
    rows = [bytes((row * 7 + at * 3) & 255 for at in range(size)) for row in range(16)]
    other = [*rows[:8], bytes(255 - value for value in rows[8]), *rows[9:]]
    kind = {"depth": depth, "colour": colour, "width": 16}
    assert looked(tmp_path, "a.png", png(rows, **kind), png(rows, filters="1", **kind)) == (True, "the same pixels")  # type: ignore[arg-type]
    _, said = looked(tmp_path, "a.png", png(rows, **kind), png(other, **kind))  # type: ignore[arg-type]
    assert "6.2 % of the pixels differ" in said, said


def test_a_palette_is_part_of_a_picture(tmp_path: Path):
    rows = [bytes([0, 1, 2, 1]) for _ in range(4)]
    red, blue = chunk(b"PLTE", b"\xff\0\0" * 3), chunk(b"PLTE", b"\0\0\xff" * 3)
    alike, said = looked(tmp_path, "a.png", png(rows, colour=3, extra=red), png(rows, colour=3, extra=blue))
    assert (alike, said) == (False, "the colours of its palette differ")
    other = [*rows[:3], bytes([2, 1, 2, 1])]
    alike, said = looked(tmp_path, "a.png", png(rows, colour=3, extra=red), png(other, colour=3, extra=red))
    assert "6.2 % of the pixels differ, by 6.2 % of the range" in said


def test_pictures_of_other_sizes_and_kinds_differ(tmp_path: Path):
    alike, said = looked(tmp_path, "a.png", png(painting(40, 40)), png(painting(41, 40)))
    assert (alike, said) == (False, "40 × 40 pixels, RGB, 8 bits, now 41 × 40 pixels, RGB, 8 bits")


# Pages


def pdf(date: str, number: str, *, squeezed: bool = True, padding: str = "") -> bytes:
    content = f"BT 1 0 0 1 {number} 700 Tm (It is damped) Tj ET{padding}".encode()
    stream = zlib.compress(content) if squeezed else content
    kind = "/Filter /FlateDecode " if squeezed else ""
    start = f"%PDF-1.4\n1 0 obj << /Length {len(stream)} {kind}>>\nstream\n".encode()
    end = f"\nendstream\nendobj\n2 0 obj << /CreationDate (D:{date}) /Producer (x) >>\nendobj\n".encode()
    place = len(start + stream + end)
    tail = (
        f"xref\n0 2\n{place:010} 00000 n\ntrailer << /ID [<{date}> <{date}>] >>\nstartxref\n{place}\n%%EOF\n".encode()
    )
    return start + stream + end + tail


def test_pages_are_compared_without_their_dates(tmp_path: Path):
    one = pdf("20260101000000Z", "72.5")
    assert looked(tmp_path, "a.pdf", one, pdf("20270101000000+02'00'", "72.5")) == (True, "the same but for dates")
    alike, said = looked(tmp_path, "a.pdf", one, pdf("20260101000000Z", "72.50000001"))
    assert alike and "1 number differs within" in said
    alike, said = looked(tmp_path, "a.pdf", one, pdf("20260101000000Z", "73.5"))
    assert not alike and "72.5 700 Tm" in said and "73.5 700 Tm" in said


# Harm


async def seen(tmp_path: Path, *versions: Versions, seconds: float = 20.0) -> list[tuple[bool, str]]:
    """The verdicts of the process of its own."""
    pairs: list[Pair] = []
    for number, (name, *contents) in enumerate(versions):
        paths = [tmp_path / f"{number}-{at}" for at in range(2)]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        pairs.append(Pair(name, *paths))
    return await look_into(pairs, seconds=seconds)


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    packed = zlib.compress(bytes(40_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


async def test_files_that_want_to_do_harm_are_a_difference_with_a_reason(tmp_path: Path):
    deep = "[" * 200_000
    found = await seen(
        tmp_path,
        ("a.json", deep, deep + "]"),
        ("b.png", bomb(100_000, 100_000), bomb(100_000, 99_999)),
        ("c.png", bomb(8_000, 8_000), bomb(8_000, 8_000)[:-30]),
        ("d.npz", b"PK\3\4 but no archive", b"PK\3\4 neither"),
        ("e.npy", npy("<f8", (10**12,), b""), npy("<f8", (10**12,), b"\0" * 8)),
        ("f.npy", npy("<f8", (-1,), b""), npy("<f8", (-1,), b"x")),
        ("g.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff", b"\x93NUMPY\2\0\xff\xff\xff\xfe"),
        ("h.pdf", b"%PDF-1.4 stream\n" * 9, b"%PDF-1.4 stream\n" * 10),
        ("i.txt", "\x1b[31mred", "\x1b[32mgreen"),
        ("j.txt", "fine 1.0", "fine 1.00000001"),
    )
    assert [alike for alike, _ in found] == [False] * 9 + [True]
    reasons = [said for _, said in found]
    assert "too large to be compared" in reasons[1]
    assert all("cannot be looked into" in reasons[at] for at in (1, 2, 3, 4, 5, 6)), reasons
    assert "\x1b" not in "".join(reasons)


async def test_one_that_never_ends_does_not_keep_the_others(tmp_path: Path):
    wide = ("a.svg", '<a id="' * 400_000, '<a id="' * 400_001)
    slow = ("b.txt", "0.1\n" * 3_000_000, "0.1000000001\n" * 3_000_000)
    found = await seen(tmp_path, slow, wide, ("c.txt", "x 1.0", "x 1.00000001"), seconds=1.5)
    assert "took more than 1.5 s" in found[0][1]
    assert not found[1][0]
    assert found[2][0]


async def test_all_together_have_a_time_limit(tmp_path: Path):
    for name in ("one", "other"):
        (tmp_path / name).write_text(name)
    pair = Pair("a.txt", tmp_path / "one", tmp_path / "other")
    found = await look_into([pair] * 3, total=0.0)
    assert [alike for alike, _ in found] == [False] * 3
    assert "was not looked into" in found[0][1]


def test_the_looks_need_the_standard_library_alone():
    code = (
        f"import sys; sys.path.append({str(ROOT)!r}); import engine.compare.looks.main; import json;"
        "print(json.dumps(sorted(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in json.loads(said.stdout) if name.partition(".")[0] in ("engine", "storage", "cmbagent_tui")}
    assert ours == {
        "engine",
        "engine.compare",
        "engine.compare.looks",
        *(f"engine.compare.looks.{one}" for one in ("arrays", "base", "main", "numbers", "pages", "pictures", "texts")),
    }


# Trees


def tree(blobs: FileBlobs, **files: str) -> dict[str, Content]:
    return {
        path: Content(path, "fit", blobs.put(text.encode()), len(text))
        for path, text in ((_path(k), v) for k, v in files.items())
    }


def _path(name: str) -> str:
    return name.replace("__", "/").replace("_", ".")


async def test_two_trees_are_compared_file_by_file(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    first = tree(blobs, a_txt="same", data__b_json='{"x": 1.0}', c_txt="word", d_txt="gone")
    second = tree(blobs, a_txt="same", data__b_json='{"x": 1.00000001}', c_txt="other", e_txt="new")
    found = await compare_trees(first, second, blobs)
    assert [(one.path, one.likeness) for one in found.files] == [
        ("c.txt", Likeness.DIFFERENT),
        ("d.txt", Likeness.MISSING),
        ("e.txt", Likeness.ADDED),
        ("data/b.json", Likeness.WITHIN_TOLERANCE),
        ("a.txt", Likeness.IDENTICAL),
    ]
    assert not found.ok
    assert found.summary() == "1 identical, 1 within tolerance, 1 different, 1 missing, 1 added"
    assert [FileComparison.from_json(json.loads(json.dumps(one.to_json()))) for one in found.files] == list(found.files)


async def test_a_content_that_is_not_there_is_a_difference(tmp_path: Path):
    blobs = FileBlobs(tmp_path / "blobs")
    first, second = tree(blobs, a_txt="one"), tree(blobs, a_txt="two")
    blobs.path(second["a.txt"].sha256).unlink()
    (found,) = (await compare_trees(first, second, blobs)).files
    assert found.likeness is Likeness.DIFFERENT and "cannot be looked into" in found.detail


def test_nothing_to_compare_is_fine():
    assert Comparison().ok and Comparison().summary() == "no files"
