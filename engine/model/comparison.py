"""Two trees of files beside each other: what a run wrote, and what its replay wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from engine.model.records import Json


class Likeness(StrEnum):
    """How a file of one tree compares with the file of the same name in the other."""

    IDENTICAL = "identical"  # the same bytes
    WITHIN_TOLERANCE = "within_tolerance"  # other bytes that say the same, numbers and pixels within a stated tolerance
    DIFFERENT = "different"
    MISSING = "missing"  # only the first tree has it
    ADDED = "added"  # only the second tree has it

    @property
    def ok(self) -> bool:
        """Whether the second tree says what the first says."""
        return self in (Likeness.IDENTICAL, Likeness.WITHIN_TOLERANCE)


@dataclass(frozen=True, slots=True)
class FileComparison:
    """One file in both trees, `step` the step that wrote it. `detail` says in words where it differs first, or by how
    much at most. `sha256` are the first tree's content and the second's; None: it has no such file."""

    path: str
    step: str
    likeness: Likeness
    detail: str
    sha256: tuple[str | None, str | None]

    def to_json(self) -> Json:
        """As plain data."""
        first, second = self.sha256
        return {
            "path": self.path,
            "step": self.step,
            "likeness": self.likeness.value,
            "detail": self.detail,
            "sha256": first,
            "sha256_now": second,
        }

    @classmethod
    def from_json(cls, data: Json) -> FileComparison:
        """Back from plain data."""
        likeness, hashes = Likeness(data["likeness"]), (data["sha256"], data["sha256_now"])
        return cls(data["path"], data["step"], likeness, data["detail"], hashes)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All files of a run and of its replay. `files` lists them, the ones that differ first; of very many, the last are
    only counted.

    `requests` is how many model calls the replay made, `changed` how many of those said something else to the model
    than was recorded (numbers that were measured anew, as a rule).
    """

    files: tuple[FileComparison, ...] = ()
    counts: Mapping[Likeness, int] = field(default_factory=dict[Likeness, int])
    requests: int = 0
    changed: int = 0

    @property
    def ok(self) -> bool:
        """Whether all files are identical, or alike within the tolerance."""
        return not any(count for likeness, count in self.counts.items() if not likeness.ok)

    def summary(self) -> str:
        """The counts in words."""
        words = [f"{self.counts[one]} {one.value.replace('_', ' ')}" for one in Likeness if self.counts.get(one)]
        files = ", ".join(words) or "no files"
        if self.changed:
            files += f"; {self.changed} of {self.requests} requests to models differ from the recorded ones"
        return files
