"""The shipped research sessions: hand-written answers, code that really runs, no key and no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Demo:
    """A shipped session. `task` and `mode` are what it is started with."""

    name: str
    title: str
    task: str
    mode: str

    @property
    def folder(self) -> Path:
        """Where its sources are."""
        return Path(__file__).with_name(self.name)

    @property
    def script(self) -> Path:
        """The journal that answers in the model's place."""
        return self.folder / "journal.jsonl"

    @property
    def model(self) -> str:
        """The name of the model to start it with."""
        return f"journal:{self.script}"

    @property
    def notice(self) -> str:
        """What the screen says as long as the session is looked at."""
        return f"Model answers come from the shipped journal '{self.name}'; the code in them really runs."


_DEMOS = {
    demo.name: demo
    for demo in (
        Demo(
            name="oscillator",
            title="Is this oscillator damped?",
            task=(
                "Is this oscillator damped? Simulate 50 positions measured over four seconds with an uncertainty of "
                "0.08 (amplitude 1, angular frequency 2 pi, damping rate 0.15, seed 777), fit an undamped and a damped "
                "cosine, and say which of the two the data prefer and how surely, with a figure and a short report."
            ),
            mode="planning-control",
        ),
    )
}


def names() -> tuple[str, ...]:
    """The shipped sessions; the first is the one that is meant when none is named."""
    return tuple(_DEMOS)


def demo(name: str = "oscillator") -> Demo:
    """The shipped session of this name.

    Raises:
        UsageError: there is none.
    """
    try:
        return _DEMOS[name]
    except KeyError:
        raise UsageError(f"there is no demo {name!r}", f"There is {', '.join(names())}.") from None
