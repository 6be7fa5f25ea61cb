"""How two runs compare, in words. The screen and the command line both say them."""

from __future__ import annotations

from collections.abc import Iterator

from cmbagent_tui import words
from cmbagent_tui.look import Tone, of_step
from engine.compare import ATOL, MEAN, PART, RTOL, SIDE
from engine.compare.runs import RunComparison, StepComparison, StepSide
from engine.model.comparison import FileComparison, Likeness
from engine.model.ids import short

LIKENESS = {
    Likeness.IDENTICAL: "identical",
    Likeness.WITHIN_TOLERANCE: "alike",
    Likeness.DIFFERENT: "DIFFERS",
    Likeness.MISSING: "MISSING",
    Likeness.ADDED: "ADDED",
}
TONES = {
    Likeness.IDENTICAL: Tone.OK,
    Likeness.WITHIN_TOLERANCE: Tone.OK,
    Likeness.DIFFERENT: Tone.FAILED,
    Likeness.MISSING: Tone.WAITING,
    Likeness.ADDED: Tone.WAITING,
}
ALIKE = (
    f"alike is: numbers within rtol {RTOL:g}, atol {ATOL:g}; pictures within {MEAN * 100:g} % of the range on average "
    f"and {PART * 100:g} % in any part of {SIDE} × {SIDE} pixels"
)


def side(one: StepSide | None, *, ascii_only: bool = False) -> str:
    """A step as one of the runs has it."""
    if one is None:
        return "no such step"
    look = of_step(one.state, one.checked)
    if one.taken_over:
        return f"{look.sign(ascii_only)} {look.word}, taken over"
    took = f" in {words.duration(one.seconds)}" if one.seconds is not None else ""
    tries = f", attempt {one.attempts}" if one.attempts > 1 else ""
    return f"{look.sign(ascii_only)} {look.word}{took}{tries}"


def differing_steps(found: RunComparison) -> Iterator[StepComparison]:
    """The steps that came to another end in one run than in the other, or that only one of them has."""
    for one in found.steps:
        if one.first is None or one.second is None or one.first.state is not one.second.state:
            yield one


def differing_files(found: RunComparison) -> Iterator[FileComparison]:
    """The files that say something else, or that only one of the runs has."""
    return (one for one in found.files.files if not one.likeness.ok)


def heading(found: RunComparison) -> str:
    """What the files of which run are compared with those of which."""
    return f"Files, {short(found.first.run.id)} to {short(found.second.run.id)}"
