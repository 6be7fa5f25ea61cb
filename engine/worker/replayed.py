"""What a replay needs in the worker: a model that nobody can ask, and the words for a request that is not the recorded
one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Any, Self

from ag2 import Context
from ag2.config import LLMClient, ModelConfig, ModelProvider
from ag2.events import BaseEvent, ModelResponse

from engine.model.text import one_line
from engine.worker.failures import AttemptFailed

if TYPE_CHECKING:
    from ag2.files.protocol import FilesClient

_LINE = re.compile(r"(.*?) ([0-9]+) ([0-9a-f]{32}) (.*)", re.DOTALL)
_SHOWN = 6  # lines of each sort in a difference
_WIDTH = 160  # characters of each
_LARGE = 200_000  # characters; texts beyond are not laid side by side


@dataclass(frozen=True, slots=True)
class UnaskedConfig(ModelConfig):
    """A model that answers nothing: there is no client, no key and no address behind it."""

    name: str

    @property
    def provider(self) -> ModelProvider:
        """Of no provider that AG2 knows."""
        raise NotImplementedError

    @property
    def model(self) -> str:
        """The name of the model that answered when the run was recorded."""
        return self.name

    def copy(self) -> Self:
        """The same: it holds no state."""
        return self

    def create(self) -> LLMClient:
        """The client that refuses."""
        return _Unasked()

    def create_files_client(self) -> FilesClient[Any]:
        """It takes no files."""
        raise NotImplementedError


class _Unasked(LLMClient):
    async def __call__(self, messages: Sequence[BaseEvent], context: Context, **_: Any) -> ModelResponse:
        raise AttemptFailed("journal", "a replay asks no model", "This is a defect of the program: report it.")


def digest_line(role: str, text: str) -> str:
    """A message of a request on one short line: who speaks, its length, its SHA-256, and how it begins."""
    return f"{role} {len(text)} {_digest(text)} {one_line(text, 60)}"


def difference(recorded: Sequence[str], now: Sequence[tuple[str, str]], known: Iterable[str]) -> str:
    """Which message of a request (role and text each) is not the recorded one, and how it differs.

    Of what was recorded there are digest lines; where one of the `known` texts is the one that a line stands for, the
    two are laid side by side.
    """
    lines = [digest_line(role, text) for role, text in now]
    place = next((at for at, (a, b) in enumerate(zip(recorded, lines, strict=False)) if a != b), None)
    if place is None:
        place = min(len(recorded), len(lines))
        more, where = ("is new", lines) if len(lines) > len(recorded) else ("is missing now", recorded)
        return (
            f"message {place + 1} {more}: {_said(where[place])}" if place < len(where) else "in nothing that is shown"
        )
    role, text = now[place]
    found = _LINE.fullmatch(recorded[place])
    before = next((one for one in known if found and _digest(one) == found[3]), None)
    if before is None or not found or found[1] != role:
        shown = f"- {_said(recorded[place])}\n+ {_said(lines[place])}"
    else:
        shown = _side_by_side(before, text)
    return f"message {place + 1} ({role}) is another one:\n{shown}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _said(line: str) -> str:
    """A digest line for people."""
    found = _LINE.fullmatch(line)
    return f"{found[1]}, {int(found[2]):,} characters, {found[3][:8]}: {found[4]}" if found else one_line(line)


def _side_by_side(before: str, now: str) -> str:
    if max(len(before), len(now)) > _LARGE:
        return f"- {len(before):,} characters\n+ {len(now):,} characters"
    shown: list[str] = []
    room = dict.fromkeys(" @-+", _SHOWN)
    left_out = 0
    for line in list(unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=1))[2:]:
        room[line[0]] -= 1
        if room[line[0]] >= 0:
            shown.append(line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…")
        else:
            left_out += 1
    return "\n".join([*shown, *([f"… and {left_out} more lines"] if left_out else [])])
