"""The numbers that a text quotes, and whether they stand in a file.

A number is looked for as it is printed: as exactly as its digits say, in percent too, in another multiple of its unit
too. What is no result is left out: years and dates, numbers of sections, lists, figures and references, names, small
counts, levels of confidence, bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.worker.probe.base import Bad, Job, read_text
from engine.worker.probe.sources import Sources

SMALL = 12  # a whole number up to this is a count
LISTED = 12  # numbers that are named
LINE_CHARS = 10_000  # of one line
_YEARS = range(1900, 2101)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_LEVEL = r"(?:confidence|credib|C\.?L\b|quantile|percentile|interval|region|contour|limit|level)"
_THAN = r"(?:(?:less|greater|fewer|more|larger|smaller|lower|higher) than|below|above|at least|at most|under|up to)"
_NAMED = r"(?:step|attempt|run|model|case|panel|part|phase|question|hypothesis|method)s?"
_PLACE = r"(?:figure|fig|table|tab|section|sec|equation|eq|reference|ref|chapter|appendix|page|pp|no)s?"
_LEFT_OUT = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^\s*#+\s*\d+(?:\.\d+)*[.)]?\s",  # a section's number
        r"^\s*(?:[-*+]\s+)?\d+[.)]\s",  # a list's
        r"`[^`]*[A-Za-z/][^`]*`",  # names, keys, paths; a number alone is one
        r"\]\([^)]*\)",
        r"https?://\S+|\bdoi:\S+|\b10\.\d{4,}/\S+|\barxiv:\s*\S+",
        r"[\w./-]*[A-Za-z_][\w./-]*\.[A-Za-z]\w{1,4}\b",  # a file
        r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?|\b\d{1,2}:\d{2}(?::\d{2})?\b",
        rf"\b\d{{1,2}}\s+{_MONTH}(?:\s+\d{{4}})?\b|\b{_MONTH}\s+\d{{1,2}}(?:,?\s+\d{{4}})?\b",
        r"\d+(?:\.\d+){2,}",  # a version
        rf"\b{_PLACE}\.?\s*\(?#?\d+(?:\.\d+)*[a-z]?\)?(?:\s*(?:,|and|to|-|–)\s*\d+(?:\.\d+)*)*",
        rf"\b{_NAMED}\s+#?\d+(?!\.?\d)",
        r"\b(?:python|numpy|scipy|matplotlib|version|seed)\w*\s*(?:=|:|of|is|was)?\s*\d+(?:\.\d+)*",
        r"\[\d+(?:\s*[,–-]\s*\d+)*\]",
        rf"(?<![\w.])\d+(?:\.\d+)?\s*(?:%|per ?cent)(?=[^.\n]{{0,24}}\b{_LEVEL})",
        r"(?<![\w.])100(?:\.0+)?\s*(?:%|per ?cent)",
        r"(?<![\w.])\d+\s*(?:degrees of freedom|d\.?o\.?f\b|dpi\b)",
        r"(?<=\d)\s*/\s*\d+(?!\.?\d)",  # degrees of freedom, behind what is divided by them
        r"(?<![\w.])[1-9](?:\s|-)?(?:σ|sigma)\b",
        r"(?<![\w.])\d+(?:-?(?:D|dimensional)|st|nd|rd|th)\b",
        r"(?<![\w.])(?:90|180|270|360)\s*(?:°|degrees?\b)",
        rf"(?:[<>≤≥≲≳]|\b{_THAN})\s*[-+]?[\d.,]+(?:e[-+]?\d+|\s*×\s*10\^?[-+]?\d+)?",
    )
]
_NUMBER = re.compile(
    r"(?<![\w.^])(?P<sign>[-+](?=[\d.]))?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<e>[-+]?\d+)|\s*[×x*]\s*10\s*(?:\^|\*\*)\s*(?P<power>[-+]?\d+))?"
    r"(?:\((?P<error>\d+)\))?"
    r"(?P<behind>\s*(?:%|per ?cent\b)|\s*(?:\^|\*\*)|\s*[A-Za-zµμ]+)?"
)
_PERCENT = re.compile(r"%|per ?cent\b", re.IGNORECASE)
_ABOUT = re.compile(
    r"(?:[~≈∼]|\b(?:about|around|approximately|roughly|nearly|almost|some|ca\.|circa))\s*$", re.IGNORECASE
)
_EXACT_SIGN = re.compile(r"[=≈:|]\s*$")
_UNIT = re.compile(
    r"(?P<prefix>[TGMkhdcmµμnpf]?)(?:pc|m|s|g|eV|Hz|J|W|V|A|K|Pa|T|yr|yrs|L|bar|rad|as|arcsec|Jy|mol|N)", re.ASCII
)
_PREFIXES = {"T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "": 0, "d": -1, "c": -2, "m": -3, "µ": -6, "μ": -6, "n": -9,
             "p": -12, "f": -15}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_LATEX = (
    ("\\times", "×"), ("\\cdot", "×"), ("·", "×"), ("\\pm", "±"), ("\\approx", "≈"), ("\\sim", "~"), ("\\%", "%"),
    ("\\,", " "), ("\\sigma", "σ"), ("{", ""), ("}", ""), ("$", " "), ("*", " "), ("\u2212", "-"),
    ("+/-", "±"), ("+-", "±"),
)  # fmt: skip


class Quoted(NamedTuple):
    """A number as a text has it. `unit` is what its last digit counts, `signs` the signs that it may have in a file,
    `factors` what it may be multiplied with there."""

    text: str
    line: int
    value: float
    unit: float
    signs: tuple[int, ...]
    factors: tuple[float, ...]
    whole: bool


def look_at_numbers(job: Job) -> str:
    """Every number of a text must stand in one of the files, or in what the step was told."""
    sources = Sources()
    for name, path in job["files"]:
        sources.read(name, path)
    if not len(sources):
        raise Bad("there is no file with numbers that the text could be compared with")
    sources.say("the task", job["said"])
    quoted = list(quoted_in(read_text(job["path"])))
    found = [_found(one, sources) for one in quoted]
    missing = [one for one, where in zip(quoted, found) if where is None]  # noqa: B905 (3.8)
    unread = f"; not read: {', '.join(sources.unread[:5])}" if sources.unread else ""
    if missing:
        listed = ", ".join(f"{one.text} (line {one.line})" for one in missing[:LISTED])
        more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
        raise Bad(f"{len(missing)} of {len(quoted)} numbers stand in no file: {listed}{more}{unread}")
    if not quoted:
        return "it quotes no number"
    names = sorted({where for where in found if where})
    which = f"each of the {len(quoted)} numbers" if len(quoted) > 1 else "its one number"
    return f"{which} stands in {', '.join(names[:6])}{' …' if len(names) > 6 else ''}"


def quoted_in(text: str) -> Iterator[Quoted]:
    """The numbers of a text that say something, in order."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            yield from _of_line(_plain(line[:LINE_CHARS]), number)


def _plain(line: str) -> str:
    """A line without what is no number of a result, its powers of ten as `10^3`."""
    line = re.sub(r"(?<=\d)[\u2009\u202f](?=\d{3})", "", line)
    line = re.sub(r"(?<=10)[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda found: "^" + found[0].translate(_SUPERSCRIPTS), line)
    line = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", "", line)
    for pattern in _LEFT_OUT[:7]:  # what stands in marks is known by them
        line = pattern.sub(" ", line)
    for mark, plain in _LATEX:
        line = line.replace(mark, plain)
    line = re.sub(r"(?<=[\d)])\s*[-–—]\s*(?=[\d.])", " to ", line)  # a range, no minus
    for pattern in _LEFT_OUT[7:]:
        line = pattern.sub(" ", line)
    return line


def _of_line(line: str, number: int) -> Iterator[Quoted]:
    for found in _NUMBER.finditer(line):
        behind = (found["behind"] or "").strip()
        before = line[: found.start()]
        if behind in ("^", "**") or (before[-1:] in ("-", "+") and before[-2:-1].isalnum()):
            continue  # a power of ten or of a symbol; a part of a name
        one = _quoted(found, behind, before, number)
        if one is not None:
            yield one
        if found["error"]:  # 0.137(18): in units of the last digit
            decimals = len(found["digits"].partition(".")[2])
            unit = 10.0 ** (int(found["e"] or found["power"] or 0) - decimals)
            error = int(found["error"])
            yield Quoted(f"({error})", number, error * unit, unit, (1, -1), (1.0,), False)


def _quoted(found: re.Match[str], behind: str, before: str, line: int) -> Quoted | None:
    digits = found["digits"].replace(",", "")
    if len(digits) > 30:
        return None
    exponent = int(found["e"] or found["power"] or 0)
    if abs(exponent) > 300:
        return None
    decimals = len(digits.partition(".")[2])
    percent = _PERCENT.match(behind) is not None
    plain = "." not in digits and not found["e"] and not found["power"]
    whole = plain and not percent
    value = int(digits) if plain else float(digits)
    if whole and (value <= SMALL or (value in _YEARS and "," not in found["digits"] and not found["sign"])):
        return None
    unit = 10.0 ** (exponent - decimals)
    if _ABOUT.search(before):
        zeros = len(digits) - len(digits.rstrip("0")) if plain else 0
        unit *= 2.0 * 10.0 ** min(zeros, max(0, len(digits) - 1))
    exact = found["sign"] or _EXACT_SIGN.search(before)
    sign = -1 if found["sign"] == "-" else 1
    factors = [1.0, 0.01] if percent else [1.0]
    unit_behind = _UNIT.fullmatch(behind)
    if unit_behind and len(digits.replace(".", "").lstrip("0")) > 1:
        power = _PREFIXES[unit_behind["prefix"]]
        factors += [10.0 ** (power - other) for other in (12, 9, 6, 3, 0, -2, -3, -6, -9) if other != power]
    text = found[0][: found.start("behind") - found.start()] if found["behind"] else found[0]
    size = float(value) * 10.0**exponent
    return Quoted(text.strip(), line, size, unit, (sign,) if exact else (1, -1), tuple(factors), whole)


def _found(one: Quoted, sources: Sources) -> str | None:
    """The file that a number stands in."""
    if one.whole and int(one.value) in sources.counts:
        return sources.counts[int(one.value)]
    spread = one.unit / 2 * (1 + 1e-6) + 1e-12 * abs(one.value)
    for factor in one.factors:
        for sign in one.signs:
            middle = sign * one.value * factor
            where = sources.find(middle - spread * factor, middle + spread * factor)
            if where is not None:
                return where
    return None
