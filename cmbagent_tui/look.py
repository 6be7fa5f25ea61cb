"""How states and kinds look: a glyph, a word and a tone each, so that nothing is told by colour alone.

Glyphs are one cell wide in every terminal and none has an emoji form; the ASCII ones serve terminals without UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.model.checked import Checked
from engine.model.records import Node, NodeKind
from engine.model.states import RunState, StepState


class Tone(StrEnum):
    """What a colour stands for; the style sheets give each its colour by theme."""

    MUTED = "muted"
    PLAIN = "plain"
    RUNNING = "running"
    WAITING = "waiting"
    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Mark:
    """The look of one state or kind."""

    glyph: str
    plain: str  # the glyph in ASCII
    word: str
    tone: Tone

    def sign(self, ascii_only: bool) -> str:
        """The glyph that this terminal can show."""
        return self.plain if ascii_only else self.glyph


# The tones as styles of Textual's content markup, which follow the theme.
STYLES: dict[Tone, str] = {
    Tone.MUTED: "$foreground 58%",
    Tone.PLAIN: "$foreground",
    Tone.RUNNING: "$text-accent",
    Tone.WAITING: "$text-warning",
    Tone.OK: "$text-success",
    Tone.FAILED: "$text-error",
}

_STEPS: dict[StepState, Mark] = {
    StepState.PENDING: Mark("○", ".", "pending", Tone.MUTED),
    StepState.RUNNING: Mark("◉", ">", "running", Tone.RUNNING),
    StepState.PAUSED: Mark("‖", "=", "paused", Tone.WAITING),
    StepState.WAITING_APPROVAL: Mark("◆", "?", "waiting for you", Tone.WAITING),
    StepState.COMPLETED: Mark("✓", "+", "completed", Tone.OK),
    StepState.FAILED: Mark("✗", "x", "failed", Tone.FAILED),
    StepState.SKIPPED: Mark("⊘", "-", "skipped", Tone.MUTED),
    StepState.CANCELLED: Mark("⊗", "~", "cancelled", Tone.MUTED),
}

_RUNS: dict[RunState, Mark] = {
    RunState.DRAFT: Mark("○", ".", "draft", Tone.MUTED),
    RunState.PLANNING: Mark("◉", ">", "planning", Tone.RUNNING),
    RunState.EXECUTING: Mark("◉", ">", "executing", Tone.RUNNING),
    RunState.PAUSED: Mark("‖", "=", "paused", Tone.WAITING),
    RunState.WAITING_APPROVAL: Mark("◆", "?", "waiting for you", Tone.WAITING),
    RunState.COMPLETED: Mark("✓", "+", "completed", Tone.OK),
    RunState.FAILED: Mark("✗", "x", "failed", Tone.FAILED),
    RunState.CANCELLED: Mark("⊗", "~", "cancelled", Tone.MUTED),
}

UNCHECKED = Mark("□", "o", "unchecked", Tone.WAITING)  # completed, and nothing has looked at the result
WAIVED = Mark("◧", "w", "waived", Tone.WAITING)  # completed, because a person waived a check that failed

OK = Mark("✓", "+", "ok", Tone.OK)
BAD = Mark("✗", "x", "failed", Tone.FAILED)
REDONE = Mark("◇", "^", "done again from here", Tone.WAITING)


def of_step(state: StepState, checked: Checked | None = None) -> Mark:
    """The look of a node's state; of a completed step, that of its checks."""
    if checked is None or state is not StepState.COMPLETED:
        return _STEPS[state]
    return UNCHECKED if not checked.total else WAIVED if checked.waived else _STEPS[state]


def of_node(node: Node, checked: Checked | None = None) -> Mark:
    """The look of a node: its state's, but for a place that only says that something was done again."""
    return REDONE if node.kind is NodeKind.BRANCH_POINT else of_step(node.state, checked)


def word_of(mark: Mark) -> str:
    """A mark's state where there is room for it all: what is unchecked or waived is completed too."""
    return f"{_STEPS[StepState.COMPLETED].word}, {mark.word}" if mark in (UNCHECKED, WAIVED) else mark.word


def of_check(ok: bool, waived: object) -> Mark:
    """The look of a check's outcome."""
    return OK if ok else WAIVED if waived else BAD


def of_run(state: RunState) -> Mark:
    """The look of a run's state."""
    return _RUNS[state]
