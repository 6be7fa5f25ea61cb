"""Numbers in a text against the numbers in files: what is found, what is told, and what is left alone."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.worker.probe.base import Bad
from engine.worker.probe.quoted import look_at_numbers, quoted_in

FIT = {"gamma": 0.13713, "sigma": 0.01789, "chi2": 51.8421, "offset": -0.4213, "p": 3.79e-7, "h0": 69.7249, "n": 580}


def judged(text: str, tmp_path: Path, files: dict[str, Any] | None = None, said: str = "") -> tuple[bool, str]:
    report = tmp_path / "report.md"
    report.write_text(text, encoding="utf-8")
    found: list[tuple[str, str]] = []
    for name, content in (files or {"fit.json": json.dumps(FIT)}).items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        found.append((name, str(tmp_path / name)))
    try:
        return True, look_at_numbers({"path": str(report), "files": found, "said": said})
    except Bad as bad:
        return False, str(bad)


@pytest.mark.parametrize(
    "text",
    [
        "γ = 0.137 ± 0.018 per second",
        "γ = 0.13713, or 0.14, with χ² = 51.8/47",
        "$\\gamma = 0.137 \\pm 0.018$ and $p = 3.8 \\times 10^{-7}$",
        "p = 3.8e-07, p = 3.8 × 10⁻⁷, p = 3.8x10^-7",
        "γ = 0.137(18)",
        "it falls by 13.7 %, that is 13.71 percent",
        "The offset falls by 0.42; offset = −0.421, and again -0.4213.",
        "H0 = 69.72 km/s/Mpc, about 70, from 580 supernovae",
        "| γ | 0.137 +/- 0.018 |",
        "a length of 137.13 mm, or 0.00013713 km",
        "**0.137**",
    ],
)
def test_a_number_is_found_however_it_is_printed(text: str, tmp_path: Path):
    ok, said = judged(text, tmp_path)
    assert ok, said
    assert "fit.json" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("γ = 0.147", "0.147"),
        ("γ = 0.1372", "0.1372"),  # one digit more than it has
        ("γ = 0.13", "0.13"),  # cut, not rounded
        ("offset = 0.4213", "0.4213"),  # the sign is lost
        ("an offset of +0.4213", "+0.4213"),
        ("p = 3.8e-6", "3.8e-6"),
        ("p = 3.8 × 10⁻⁶", "3.8 × 10^-6"),
        ("χ² = 103.7", "103.7"),  # twice as large
        ("581 supernovae", "581"),
        ("it falls by 27.4 %", "27.4"),
        ("γ = 0.137(28)", "(28)"),
        ("| H0 | 71.2 |", "71.2"),
        ("at a significance of 9.4σ", "9.4"),
        ("an angle of 0.90°", "0.90"),
    ],
)
def test_a_number_that_no_file_holds_is_told_with_its_line(text: str, told: str, tmp_path: Path):
    ok, said = judged(f"# A fit\n\nγ = 0.137\n{text}\n", tmp_path)
    assert not ok and f": {told} (line 4)" in said


@pytest.mark.parametrize(
    "text",
    [
        "## 3.14 Results",
        "12. the twelfth thing\n13) the next",
        "In 2019, and on 2031-05-06 at 12:31:05, 14 March 2025, May 23, 2024",
        "See Figure 21, Table 33, Eq. (45), Sections 4.27 and 4.28, refs. [13, 14] and step 17.",
        "![a figure](figures/plot_0.37.png) of `data/fit_44.json`, https://example.org/55.5",
        "arXiv:2507.07257, doi:10.1234/abc.567, version 1.26.4, Python 3.11, seed = 777",
        "sigma8, H0, Planck18, chi2, x^2, 2-D and 3D, the 21st, 15th",
        "at 95 % confidence, the 68.3% credible region, 99.7 % C.L., 100 %",
        "two, 2, 3 parameters, 12 runs; 48 degrees of freedom, 47 dof, 300 dpi",
        "p < 0.05, χ² > 17.3, at least 0.2, less than 4.4",
        "```\nx = 1234.5\n```",
        "at 3σ, 5 sigma, 90°, 180 degrees",
        "It says nothing.",
    ],
)
def test_what_is_no_result_raises_no_alarm(text: str, tmp_path: Path):
    assert judged(text, tmp_path) == (True, "it quotes no number")


def test_what_the_task_gives_may_be_quoted(tmp_path: Path):
    text = "The truth was 0.15, with 5 % noise (0.05) and 2 × 10^5 samples from 0.5 to 1.4."
    assert not judged(text, tmp_path)[0]
    assert judged(text, tmp_path, said="truth 0.15, noise 5 %, 2 x 10^5 samples in 0.5-1.4")[0]


def test_tables_count_and_long_columns_say_what_they_come_to(tmp_path: Path):
    rows = [(k * 0.01, math.sin(k * 0.01)) for k in range(1, 401)]
    table = "z,d\n" + "".join(f"{z:.4f},{d:.6f}\n" for z, d in rows)
    files = {"d.csv": table}
    best = max(rows, key=lambda row: row[1])
    mean = sum(d for _, d in rows) / 400
    ok, said = judged(
        f"400 rows; a maximum of {best[1]:.4f} at z = {best[0]:.3f}; a mean of {mean:.3f}", tmp_path, files
    )
    assert ok, said
    assert not judged("somewhere it was 0.1234", tmp_path, files)[0]  # among 400 numbers anything nearly is
    assert not judged("401 rows", tmp_path, files)[0]


def test_arrays_are_read(tmp_path: Path):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"
    head += b" " * (64 - (10 + len(head) + 1) % 64) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack("<3d", 1.25, 2.5, 17.125)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", array)
    files = {"a.npz": (tmp_path / "a.npz").read_bytes()}
    assert judged("values 1.25, 2.5, 17.12 and 17.13", tmp_path, files)[0]
    assert not judged("values 1.35", tmp_path, files)[0]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    ok, said = judged("γ = 0.9", tmp_path, {"fit.json": '{"a": 1.5}', "cut.json": '{"a": '})
    assert not ok and said.endswith("not read: cut.json")


def test_with_no_numbers_to_compare_with_nothing_holds(tmp_path: Path):
    assert judged("γ = 0.137", tmp_path, {"a.json": "{}"}) == (
        False,
        "there is no file with numbers that the text could be compared with",
    )


values = st.floats(1e-8, 1e8).map(lambda one: float(f"{one:.6e}"))


@given(
    value=values, negative=st.booleans(), digits=st.integers(2, 6), form=st.sampled_from(["e", "x", "fixed", "percent"])
)
def test_any_number_as_it_rounds_is_found(value: float, negative: bool, digits: int, form: str, tmp_path_factory: Any):
    value = -value if negative else value
    text = f"a = {printed(value, digits, form)} units"
    folder = tmp_path_factory.mktemp("quoted")
    ok, said = judged(text, folder, {"a.json": json.dumps({"a": value})})
    assert ok, (text, said)


@given(value=values, digits=st.integers(2, 6), off=st.sampled_from([-1, 1]), form=st.sampled_from(["e{}", " × 10^{}"]))
def test_any_number_that_is_off_in_its_last_digit_is_told(
    value: float, digits: int, off: int, form: str, tmp_path_factory: Any
):
    power = math.floor(math.log10(value)) - digits
    wrong = round(value / 10.0**power) + off
    assume(abs(wrong - value / 10.0**power) > 0.51)  # nearer than that it may be a rounding, the other way
    text = f"a = {wrong}{form.format(power)} units"
    ok, said = judged(text, tmp_path_factory.mktemp("quoted"), {"a.json": json.dumps({"a": value})})
    assert not ok, (text, said)


@given(st.text(max_size=300))
def test_any_text_is_read(text: str):
    for one in quoted_in(text):
        assert math.isfinite(one.value) and one.unit > 0


def printed(value: float, digits: int, form: str) -> str:
    mantissa, _, power = f"{value:.{digits}e}".partition("e")
    if form == "e":
        return f"{mantissa}e{int(power)}"
    if form == "x":
        return f"{mantissa} × 10^{int(power)}"
    decimals = max(1, digits - int(power))
    return f"{value * 100:.{max(1, decimals - 2)}f} %" if form == "percent" else f"{value:.{decimals}f}"
