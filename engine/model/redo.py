"""What a person wants when they have a step done again."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.frames import Program
from engine.model.records import Json
from engine.model.text import clean


@dataclass(frozen=True, slots=True)
class Redo:
    """`feedback` is told to the step's agent, `instructions` stand in the plan in place of the step's own, and
    `program` is what its agent runs first, in place of the one that it ran last. None: nothing of the kind.

    With checks to `waive` nothing is done again: the step's result stands, and `feedback` says why.
    """

    feedback: str | None = None
    instructions: tuple[str, ...] | None = None
    program: Program | None = None
    waive: tuple[str, ...] = ()

    def cleaned(self) -> Redo:
        """The same, its texts made safe and without what is empty."""
        said = clean(self.feedback).strip() or None if self.feedback else None
        lines = None if self.instructions is None else tuple(clean(one).strip() for one in self.instructions)
        program = self.program and Program(file=clean(self.program.file).strip(), code=clean(self.program.code))
        return Redo(said, None if lines is None else tuple(filter(None, lines)), program, self.waive)

    def to_json(self) -> Json:
        """As a command's arguments."""
        return {
            "feedback": self.feedback,
            "instructions": None if self.instructions is None else list(self.instructions),
            "program": self.program and self.program.model_dump(),
            "waive": list(self.waive),
        }

    @classmethod
    def from_json(cls, data: Json) -> Redo:
        """Back from a command's arguments, also those of an older program."""
        instructions, program = data.get("instructions"), data.get("program")
        return cls(
            data.get("feedback"),
            None if instructions is None else tuple(map(str, instructions)),
            None if program is None else Program.model_validate(program),
            tuple(map(str, data.get("waive", ()))),
        )
