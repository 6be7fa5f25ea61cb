"""Checks: every kind, and every way in which a file or an assertion can be hostile."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from engine.model.frames import CheckFrame, Limits
from engine.model.plan import Plan
from engine.worker import checks
from engine.worker.checks import run_checks


async def run(workdir: Path, *declared: dict[str, Any], python: str = "", limits: Limits | None = None):
    named = [{"name": f"check {number}", **check} for number, check in enumerate(declared, 1)]
    step = {"id": "s", "title": "s", "agent": "engineer", "checks": named}
    plan = Plan.parse({"title": "t", "steps": [step]})
    return await run_checks(plan.steps[0], workdir, python=python, limits=limits or Limits())


async def one(workdir: Path, kind: str, path: str | None = None, **rest: Any) -> CheckFrame:
    named = {} if path is None else {"path": path}
    (frame,) = await run(workdir, {"kind": kind, **named, **rest})
    return frame


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_a_step_without_checks_has_no_results(tmp_path: Path):
    assert await run(tmp_path) == ()


async def test_results_come_in_the_plans_order_and_carry_the_plans_names(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"x": 1}')
    found = await run(
        tmp_path,
        {"kind": "json_value", "path": "a.json", "pointer": "/x", "min": 0},
        {"kind": "file_exists", "path": "b.json"},
        {"kind": "python", "code": "assert True"},
        {"kind": "text_contains", "path": "a.json", "pattern": "x"},
    )
    assert [(frame.name, frame.ok) for frame in found] == [
        ("check 1", True),
        ("check 2", False),
        ("check 3", True),
        ("check 4", True),
    ]


# file_exists


async def test_a_file_is_there_with_its_size(tmp_path: Path):
    (tmp_path / "a.txt").write_text("hello")
    assert await one(tmp_path, "file_exists", "a.txt", min_bytes=5) == CheckFrame(
        name="check 1", ok=True, detail="a.txt has 5 bytes"
    )


async def test_a_file_is_too_small(tmp_path: Path):
    (tmp_path / "a.txt").touch()
    frame = await one(tmp_path, "file_exists", "a.txt")
    assert (frame.ok, frame.detail) == (False, "a.txt has 0 bytes; fewer than 1")


async def test_a_missing_file_is_named_with_what_stands_near(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fit_damped.json").touch()
    frame = await one(tmp_path, "csv", "data/fit.json")
    assert (frame.ok, frame.detail) == (False, "data/fit.json is not there; data/ holds fit_damped.json")


@pytest.mark.parametrize("kind", ["file_exists", "csv", "image", "text_contains"])
async def test_a_directory_is_no_file(tmp_path: Path, kind: str):
    (tmp_path / "data").mkdir()
    frame = await one(tmp_path, kind, "data", **({"pattern": "x"} if kind == "text_contains" else {}))
    assert not frame.ok


@pytest.mark.parametrize("kind", ["file_exists", "csv", "image"])
async def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path: Path, kind: str):
    os.mkfifo(tmp_path / "pipe")
    frame = await one(tmp_path, kind, "pipe")
    assert not frame.ok
    assert "not a" in frame.detail


@pytest.mark.parametrize("kind", ["file_exists", "csv"])
async def test_a_link_out_of_the_directory_is_refused(tmp_path: Path, kind: str):
    (tmp_path / "work").mkdir()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    (tmp_path / "work" / "x.csv").symlink_to(tmp_path / "secret.csv")
    frame = await one(tmp_path / "work", kind, "x.csv")
    assert (frame.ok, frame.detail) == (False, "x.csv is a link that leads outside the step's directory")


async def test_a_link_within_the_directory_is_followed(tmp_path: Path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").symlink_to("a.csv")
    assert (await one(tmp_path, "csv", "b.csv", columns=["a"])).ok


async def test_links_in_a_circle_are_a_result(tmp_path: Path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    frame = await one(tmp_path, "file_exists", "a")
    assert not frame.ok
    assert "cannot be read" in frame.detail


async def test_a_deleted_directory_is_a_result(tmp_path: Path):
    found = await run(
        tmp_path / "gone",
        {"kind": "csv", "path": "a"},
        {"kind": "python", "code": "open('a')"},
        {"kind": "file_exists", "path": "a"},
    )
    assert [frame.ok for frame in found] == [False, False, False]


async def test_escape_sequences_in_a_files_content_do_not_reach_the_result(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps({"x": "\x1b]52;c;aGk=\x07\u202e evil"}))
    (tmp_path / "\x1b[31mred").touch()
    for frame in await run(
        tmp_path,
        {"kind": "json_value", "path": "a.json", "pointer": "/x", "equals": "y"},
        {"kind": "file_exists", "path": "b"},
    ):
        assert not frame.ok
        assert not set(frame.detail) & {"\x1b", "\x07", "\u202e"}


# csv


async def test_a_csv_is_counted(tmp_path: Path):
    (tmp_path / "a.csv").write_text("t, y\n0,1\n\n1,2\n")
    frame = await one(tmp_path, "csv", "a.csv", columns=["t", "y"], min_rows=2, max_rows=2)
    assert (frame.ok, frame.detail) == (True, "2 rows, columns t, y")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t,z\n0,1\n", "1 row, columns t, z; without y"),
        ("t,y\n", "0 rows, columns t, y; fewer than 1 rows"),
        ("t,y\n" + "1,2\n" * 4, "4 rows, columns t, y; more than 3 rows"),
        ("t,y\n0,1\n2\n", "row 2 has 1 fields where the first line has 2"),
        ("", "it is empty"),
        ('t,y\n"0,1\n', "it is not a CSV: unexpected end of data"),
    ],
)
async def test_a_csv_that_is_not_what_was_declared(tmp_path: Path, text: str, said: str):
    (tmp_path / "a.csv").write_text(text)
    frame = await one(tmp_path, "csv", "a.csv", columns=["t", "y"], min_rows=1, max_rows=3)
    assert (frame.ok, frame.detail) == (False, said)


async def test_a_csv_without_names_has_as_many_rows_as_lines(tmp_path: Path):
    (tmp_path / "a.csv").write_text("1,2\n3,nan\n")
    frame = await one(tmp_path, "csv", "a.csv", min_rows=2, max_rows=2)
    assert (frame.ok, frame.detail) == (True, "2 rows")


async def test_numpys_way_to_write_names_is_understood(tmp_path: Path):
    (tmp_path / "a.csv").write_text("# t,y\n1,2\n")
    assert (await one(tmp_path, "csv", "a.csv", columns=["t", "y"], min_rows=1)).ok


async def test_a_csv_that_is_not_text(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(b"t,y\n\xff\xfe,1\n")
    frame = await one(tmp_path, "csv", "a.csv")
    assert (frame.ok, frame.detail) == (False, "it is not UTF-8 text (byte 0xff)")


async def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path):
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(8 * 1024**3)  # sparse: nothing but zeros
    frame = await one(tmp_path, "csv", "a.csv")
    assert (frame.ok, frame.detail) == (False, "it has a line of 1,048,576 characters or more")


# json_value

DOCUMENT = {
    "chi2_per_dof": 2.35,
    "fit": {"gamma": 0.137, "names": ["a", "b"]},
    "a/b": 1,
    "m~n": 2,
    "": 3,
    "yes": True,
    "none": None,
    "big": 10**400,
}


@pytest.mark.parametrize(
    ("pointer", "asked", "ok", "said"),
    [
        ("/chi2_per_dof", {"min": 0.5, "max": 2.0}, False, "chi2_per_dof = 2.35, outside 0.5 … 2"),
        ("/chi2_per_dof", {"min": 0.5, "max": 2.35}, True, "chi2_per_dof = 2.35, within 0.5 … 2.35"),
        ("/chi2_per_dof", {"max": 2.0}, False, "chi2_per_dof = 2.35, outside … 2"),
        ("/chi2_per_dof", {"min": 3}, False, "chi2_per_dof = 2.35, outside 3 …"),
        ("/fit/gamma", {"approx": 0.15, "tolerance": 0.04}, True, "fit/gamma = 0.137, within 0.15 ± 0.04"),
        ("/fit/gamma", {"approx": 0.15, "tolerance": 0.01}, False, "fit/gamma = 0.137, outside 0.15 ± 0.01"),
        ("/fit/gamma", {"approx": 0.137}, True, "fit/gamma = 0.137, within 0.137 ± 1.37e-10"),
        ("/fit/names/1", {"equals": "b"}, True, 'fit/names/1 = "b"'),
        ("/fit/names", {"equals": ["a", "b"]}, True, 'fit/names = ["a", "b"]'),
        ("/a~1b", {"equals": 1.0}, True, "a~1b = 1"),
        ("/m~0n", {"equals": 2}, True, "m~0n = 2"),
        ("/", {"equals": 3}, True, "the document = 3"),
        ("/yes", {"equals": 1}, False, "yes = true, not 1"),
        ("/yes", {"min": 0}, False, "yes = true, not a number"),
        ("/none", {"min": 0}, False, "none = null, not a number"),
        ("/none", {}, True, "none = null"),
        ("/fit/names/2", {}, False, "/fit/names is a list of 2 and has no item '2'"),
        ("/fit/names/01", {}, False, "/fit/names is a list of 2 and has no item '01'"),
        ("/fit/names/-", {}, False, "/fit/names is a list of 2 and has no item '-'"),
        ("/fit/gamma/x", {}, False, "/fit/gamma = 0.137, and nothing is below it"),
        ("/fit/omega", {}, False, '/fit has no \'omega\'; it has ["gamma", "names"]'),
        ("fit", {}, False, "'fit' is no JSON pointer: it does not begin with /"),
    ],
)
async def test_a_value_in_json(tmp_path: Path, pointer: str, asked: dict[str, Any], ok: bool, said: str):
    (tmp_path / "a.json").write_text(json.dumps(DOCUMENT))
    frame = await one(tmp_path, "json_value", "a.json", pointer=pointer, **asked)
    assert (frame.ok, frame.detail) == (ok, said)


async def test_a_huge_whole_number_is_compared_and_not_converted(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps(DOCUMENT))
    frame = await one(tmp_path, "json_value", "a.json", pointer="/big", max=2.0)
    assert not frame.ok
    assert frame.detail.startswith("big = 1000")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("asked", [{"min": -1e308, "max": 1e308}, {"approx": 0, "tolerance": 1e308}])
async def test_what_is_no_finite_number_passes_no_bounds(tmp_path: Path, text: str, asked: dict[str, Any]):
    (tmp_path / "a.json").write_text(text)
    assert not (await one(tmp_path, "json_value", "a.json", pointer="", **asked)).ok


@pytest.mark.parametrize("asked", [{"min": 0}, {"max": 0}, {"approx": 0, "tolerance": 1e308}, {"equals": 0}])
async def test_nan_passes_nothing(tmp_path: Path, asked: dict[str, Any]):
    (tmp_path / "a.json").write_text('{"chi2": NaN}')
    frame = await one(tmp_path, "json_value", "a.json", pointer="/chi2", **asked)
    assert not frame.ok
    assert frame.detail.startswith("chi2 = nan")


async def test_six_digits_do_not_hide_what_is_wrong(tmp_path: Path):
    (tmp_path / "a.json").write_text("2.00000001")
    frame = await one(tmp_path, "json_value", "a.json", pointer="", max=2.0)
    assert (frame.ok, frame.detail) == (False, "the document = 2.00000001, outside … 2")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
async def test_what_is_not_json(tmp_path: Path, content: bytes):
    (tmp_path / "a.json").write_bytes(content)
    frame = await one(tmp_path, "json_value", "a.json", pointer="", min=0)
    assert not frame.ok
    assert frame.detail.startswith("it is not")


async def test_json_that_is_too_large_is_not_read(tmp_path: Path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(5 * 1024**3)
    frame = await one(tmp_path, "json_value", "a.json", pointer="")
    assert (frame.ok, frame.detail) == (False, "it has 5,368,709,120 bytes; at most 16,777,216 are read")


# npz


def array(shape: tuple[int, ...], data: bytes, descr: str = "<f8") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)


async def test_arrays_have_the_declared_shapes(tmp_path: Path):
    archive(tmp_path / "a.npz", chain=array((3, 2), bytes(48)), n=array((), bytes(8)))
    frame = await one(tmp_path, "npz", "a.npz", arrays={"chain": [-1, 2], "n": []})
    assert (frame.ok, frame.detail) == (True, "chain (3, 2), n ()")


async def test_real_numpy_files_are_understood(tmp_path: Path):
    numpy = pytest.importorskip("numpy")
    numpy.savez_compressed(
        tmp_path / "a.npz",
        x=numpy.zeros((4, 5)),
        s=numpy.array(["ab", "c"]),
        c=numpy.zeros(3, complex),
        b=numpy.array([True]),
    )
    frame = await one(tmp_path, "npz", "a.npz", arrays={"x": [4, 5], "s": [2], "c": [3], "b": [1]})
    assert (frame.ok, frame.detail) == (True, "x (4, 5), s (2), c (3), b (1)")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"chain": array((3,), bytes(24))}, "chain has the shape (3), not (any, 2)"),
        ({"chain": array((3, 3), bytes(72))}, "chain has the shape (3, 3), not (any, 2)"),
        ({"other": array((1,), bytes(8))}, "it has no array 'chain'; it has other"),
        ({}, "it has no array 'chain'; it has none"),
        ({"chain": b"what?"}, "chain.npy is not an array"),
        ({"chain": array((1000, 2), bytes(8))}, "chain.npy says the shape (1000, 2), which"),
    ],
)
async def test_arrays_that_are_not_what_was_declared(tmp_path: Path, members: dict[str, bytes], said: str):
    archive(tmp_path / "a.npz", **members)
    frame = await one(tmp_path, "npz", "a.npz", arrays={"chain": [-1, 2]})
    assert not frame.ok
    assert frame.detail.startswith(said)


async def test_an_archive_that_is_cut_off(tmp_path: Path):
    archive(tmp_path / "a.npz", chain=array((3, 2), os.urandom(48)))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:-10])
    frame = await one(tmp_path, "npz", "a.npz", arrays={"chain": [3, 2]})
    assert (frame.ok, frame.detail) == (False, "it is not an npz archive, or it is cut off")


async def test_a_bomb_is_not_unpacked(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as member:
        member.write(array((32 * 1024 * 1024,), b""))
        for _ in range(256):
            member.write(bytes(1024 * 1024))
    frame = await one(tmp_path, "npz", "a.npz", arrays={"x": [-1]})
    assert (frame.ok, frame.detail) == (True, "x (33554432)")


# image

WHITE = b"\xff\xff\xff"


async def test_a_picture_has_a_size(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(4, 2, (b"\0" + WHITE * 4) + (b"\0" + WHITE * 3 + b"\0\0\0")))
    frame = await one(tmp_path, "image", "a.png", min_width=4, min_height=2)
    assert (frame.ok, frame.detail) == (True, "PNG, 4 × 2 pixels, not blank")
    frame = await one(tmp_path, "image", "a.png", min_width=5)
    assert (frame.ok, frame.detail) == (False, "PNG, 4 × 2 pixels; smaller than 5 × 1")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16", "LA"])
@pytest.mark.parametrize("size", [(1, 1), (13, 9), (8, 8), (300, 200)])
async def test_a_picture_of_one_colour_is_blank_and_one_dot_is_enough(tmp_path: Path, mode: str, size: tuple[int, int]):
    image = pytest.importorskip("PIL.Image")
    blank = image.new(mode, size, 1)
    blank.save(tmp_path / "blank.png", optimize=size[0] % 2 == 0)
    frame = await one(tmp_path, "image", "blank.png")
    assert not frame.ok
    assert frame.detail.endswith("blank: every pixel has the same colour")
    if size == (1, 1):
        return
    blank.putpixel((size[0] - 1, size[1] - 1), 0)
    blank.save(tmp_path / "dot.png")
    assert (await one(tmp_path, "image", "dot.png")).ok


@pytest.mark.parametrize("filtering", range(5))
@pytest.mark.parametrize("pixel", [WHITE, b"\x07\x80\xfe"])
async def test_every_filter_of_a_blank_picture_is_seen_through(tmp_path: Path, filtering: int, pixel: bytes):
    def predicted(left: int, up: int, corner: int) -> int:
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda one: abs(guess - one))
        return (0, left, up, (left + up) // 2, nearest)[filtering]

    above, rows = bytes(15), b""
    for _ in range(3):
        row = pixel * 5
        rows += bytes([filtering])
        for at, byte in enumerate(row):
            left, corner = (row[at - 3], above[at - 3]) if at >= 3 else (0, 0)
            rows += bytes([(byte - predicted(left, above[at], corner)) & 255])
        above = row
    (tmp_path / "a.png").write_bytes(png(5, 3, rows))
    assert "blank" in (await one(tmp_path, "image", "a.png")).detail
    changed = rows[:-1] + bytes([rows[-1] ^ 1])
    (tmp_path / "a.png").write_bytes(png(5, 3, changed))
    assert (await one(tmp_path, "image", "a.png")).ok


async def test_an_interlaced_picture_is_seen_through(tmp_path: Path):
    passes = [(1, 1), (0, 0), (0, 0), (1, 1), (2, 1), (2, 2), (4, 2)]  # (width, height) of the seven
    rows = b"".join((b"\0" + WHITE * width) * height for width, height in passes if width)
    (tmp_path / "a.png").write_bytes(png(4, 4, rows, interlaced=1))
    assert "blank" in (await one(tmp_path, "image", "a.png")).detail
    (tmp_path / "a.png").write_bytes(png(4, 4, rows[:-1] + b"\0", interlaced=1))
    assert (await one(tmp_path, "image", "a.png")).ok


async def test_a_blank_picture_passes_where_it_may_be_blank(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(2, 2, (b"\0" + WHITE * 2) * 2))
    frame = await one(tmp_path, "image", "a.png", not_blank=False)
    assert (frame.ok, frame.detail) == (True, "PNG, 2 × 2 pixels")


async def test_a_picture_that_is_cut_off_or_damaged(tmp_path: Path):
    whole = png(40, 40, b"".join(b"\0" + os.urandom(120) for _ in range(40)))
    (tmp_path / "cut.png").write_bytes(whole[:2000])
    (tmp_path / "changed.png").write_bytes(whole[:1000] + b"!" + whole[1001:])
    (tmp_path / "short.png").write_bytes(png(40, 40, (b"\0" + WHITE * 40) * 39))
    (tmp_path / "none.png").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"<html>404</html>")
    (tmp_path / "head.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    said = [
        (await one(tmp_path, "image", f"{name}.png")).detail
        for name in ("cut", "changed", "short", "none", "text", "head")
    ]
    assert said[0] == "PNG, 40 × 40 pixels; it is cut off"
    assert said[1] == "it is damaged: a checksum is wrong"
    assert said[2] == "it is cut off: rows are missing"
    assert all(detail.startswith("it is not a") for detail in said[3:])


async def test_a_picture_bomb_is_not_unpacked(tmp_path: Path):
    rows = (b"\0" + bytes(60_000)) * 1000
    (tmp_path / "a.png").write_bytes(png(60_000, 60_000, rows, colour=0))
    frame = await one(tmp_path, "image", "a.png")
    assert (frame.ok, frame.detail) == (False, "PNG, 60000 × 60000 pixels; too large to look through")


async def test_a_jpeg_is_read_by_pillow(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (30, 20), "red").save(tmp_path / "blank.jpg")
    image.radial_gradient("L").save(tmp_path / "a.jpg")
    assert (await one(tmp_path, "image", "a.jpg")).detail == "JPEG, 256 × 256 pixels, not blank"
    assert "blank" in (await one(tmp_path, "image", "blank.jpg")).detail


# text_contains


async def test_a_pattern_is_found_in_a_text(tmp_path: Path):
    (tmp_path / "report.md").write_text("# Title\n**Yes.** γ = 0.137\n")
    frame = await one(tmp_path, "text_contains", "report.md", pattern=r"^\*\*Yes")
    assert (frame.ok, frame.detail) == (True, "found '**Yes'")
    frame = await one(tmp_path, "text_contains", "report.md", pattern="No")
    assert (frame.ok, frame.detail) == (False, "nothing in it matches 'No'")


async def test_a_pattern_that_is_none(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x")
    frame = await one(tmp_path, "text_contains", "a.txt", pattern="(")
    assert not frame.ok
    assert frame.detail.startswith("the pattern is not a regular expression")


async def test_a_pattern_that_never_ends_is_stopped_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checks, "LOOK_SECONDS", 0.5)
    (tmp_path / "a.txt").write_text("a" * 60 + "!")
    found = await run(
        tmp_path,
        {"kind": "text_contains", "path": "a.txt", "pattern": "!"},
        {"kind": "text_contains", "path": "a.txt", "pattern": "^(a+)+$"},
        {"kind": "text_contains", "path": "a.txt", "pattern": "a"},
    )
    assert [frame.ok for frame in found] == [True, False, True]
    assert found[1].detail == "it was stopped: it did not end within 0.5 s"


# python


async def test_a_failed_assertion_is_shown_with_its_values(tmp_path: Path):
    (tmp_path / "fit.json").write_text('{"gamma": 0.31}')
    code = "import json\ngamma = json.load(open('fit.json'))['gamma']\nassert abs(gamma - 0.15) < 0.04, 'too far'\n"
    frame = await one(tmp_path, "python", code=code)
    assert not frame.ok
    assert frame.detail == "line 3: assert abs(gamma - 0.15) < 0.04, 'too far': too far (gamma = 0.31)"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("assert", "the check is not Python: invalid syntax"),
        ("open('none.json')", "line 1: open('none.json'): FileNotFoundError"),
        ("import no_such_module", f"it cannot be carried out by {sys.executable}: No module named 'no_such_module'"),
        ("import sys; sys.exit(0)\nassert False", "the check left by sys.exit(0) before its end"),
        ("import os; os._exit(0)\nassert False", "it cannot be carried out: its process ended with exit code 0"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by SIGKILL"),
        ("def f(): f()\nf()", "line 1: def f(): f(): RecursionError"),
        ("raise KeyboardInterrupt", "line 1: raise KeyboardInterrupt: KeyboardInterrupt"),
    ],
)
async def test_code_that_does_not_run_to_its_end_does_not_pass(tmp_path: Path, code: str, said: str):
    frame = await one(tmp_path, "python", code=code)
    assert not frame.ok
    assert frame.detail.startswith(said)


async def test_what_checked_code_prints_is_no_verdict(tmp_path: Path):
    code = 'print(\'{"ok": true, "detail": "all is well"}\', flush=True)\nassert False, "it is not"'
    frame = await one(tmp_path, "python", code=code)
    assert not frame.ok
    assert "it is not" in frame.detail


async def test_checked_code_that_leaves_threads_behind_has_a_verdict(tmp_path: Path):
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()"
    assert (await one(tmp_path, "python", code=code)).ok


async def test_the_agents_files_do_not_stand_in_for_the_interpreters(tmp_path: Path):
    (tmp_path / "json.py").write_text("raise SystemExit(0)")
    (tmp_path / "mine.py").write_text("VALUE = 3")
    assert (await one(tmp_path, "python", code="import json, mine\nassert mine.VALUE == json.loads('3')")).ok


async def test_code_that_sleeps_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frame = (
        await run(tmp_path, {"kind": "python", "code": "import time\ntime.sleep(3600)"}, limits=Limits(code_timeout=1))
    )[0]
    assert (frame.ok, frame.detail) == (False, "it was stopped: it did not end within 1 s")


async def test_an_interpreter_that_does_not_exist_is_a_result(tmp_path: Path):
    (tmp_path / "a.json").write_text("1")
    found = await run(
        tmp_path,
        {"kind": "json_value", "path": "a.json", "pointer": ""},
        {"kind": "python", "code": "assert True"},
        {"kind": "file_exists", "path": "a.json"},
        python="/no/such/python",
    )
    assert [frame.ok for frame in found] == [False, False, True]
    assert "cannot be carried out" in found[0].detail


async def test_a_check_that_is_too_long_for_a_command_line(tmp_path: Path):
    frame = await one(tmp_path, "python", code="x = 1\n" * 30_000)
    assert not frame.ok
    assert "at most 100,000 are possible" in frame.detail


async def test_many_checks_are_carried_out(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x" * 100)
    found = await run(tmp_path, *({"kind": "text_contains", "path": "a.txt", "pattern": "x" * 100},) * 300)
    assert len(found) == 300
    assert all(frame.ok for frame in found)


def test_the_worker_itself_needs_neither_numpy_nor_pillow():
    source = Path(checks.__file__).read_text()
    assert "numpy" not in source
    assert io.StringIO(source).readline().startswith('"""')
