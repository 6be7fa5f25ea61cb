"""What the form of a new session holds, what is wrong with it, and drafts of it that outlive any death."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Collection, Generator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO

from engine.model.errors import UsageError
from engine.model.ids import new_id
from engine.model.modelref import ModelRef
from engine.model.money import micro_usd
from engine.model.options import ApprovalMode
from engine.model.records import Mode


@dataclass(frozen=True, slots=True)
class NewSession:
    """What was filled in. `models` is `role=provider:model` for each role that has its own; `attach`, one path a
    line."""

    task: str = ""
    mode: str = Mode.PLANNING_CONTROL.value
    approval: str = ApprovalMode.AFTER_PLANNING.value
    model: str = ""
    models: str = ""
    budget: str = ""
    attach: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be lost with it."""
        return not any(text.strip() for text in (self.task, self.model, self.models, self.budget, self.attach))

    @property
    def paths(self) -> list[Path]:
        """The files to attach."""
        return [Path(line.strip()).expanduser() for line in self.attach.splitlines() if line.strip()]

    def roles(self, known: Collection[str]) -> dict[str, str]:
        """The models by role, with the default one as "default".

        Raises:
            UsageError: a part is none, or there is no such role.
        """
        found = {"default": self.model.strip()} if self.model.strip() else {}
        for part in self.models.replace(",", " ").split():
            role, sign, name = part.partition("=")
            if not sign or not name:
                raise UsageError(f"{part!r} is no role=provider:model")
            if role not in known:
                raise UsageError(f"there is no role {role!r}", f"There are {', '.join(known)}.")
            ModelRef.parse(name)
            found[role] = name
        return found


def problems(given: NewSession, roles: Collection[str]) -> dict[str, str]:
    """What is wrong with each field, in words; without the files, which have to be looked at."""
    found: dict[str, str] = {}
    if not given.task.strip():
        found["task"] = "Write what is to be found out, in a sentence or more."
    if given.model.strip():
        with _into(found, "model"):
            ModelRef.parse(given.model)
    with _into(found, "models"):
        given.roles(roles)
    if given.budget.strip():
        try:
            if micro_usd(given.budget.strip()) <= 0:
                found["budget"] = "A budget is more than 0 USD, like 2.50."
        except ValueError:
            found["budget"] = "That is no amount of USD, like 2.50."
    return found


@contextlib.contextmanager
def _into(found: dict[str, str], field: str) -> Generator[None]:
    try:
        yield
    except UsageError as error:
        found[field] = " ".join(filter(None, (f"{error.cause}.", error.hint)))


_OWN = "-".join("?" * count for count in (8, 4, 4, 4, 12)) + ".json"  # an id; other drafts beside begin with a word


class Drafts:
    """Forms that were not sent, each in a file of its own. Who writes one holds a lock on it, which ends with the
    process, however that ends: then it is offered again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "drafts"
        self._name = ""
        self._lock: IO[str] | None = None
        self._saved: NewSession | None = None

    def take(self) -> NewSession | None:
        """The newest draft that nobody else is writing. Blocks: a disk may be slow."""
        with contextlib.suppress(OSError):
            for file in sorted(self._directory.glob(_OWN), reverse=True):
                if self._hold(file.stem):
                    self._saved = _read(file)
                    if self._saved is not None:
                        return self._saved
                    self.release()
        return None

    def save(self, given: NewSession) -> None:
        """Keep a form as it is, atomically and durably; one that is empty is not kept. Blocks.

        Raises:
            OSError: the disk refused.
        """
        if given == self._saved or (given.is_empty and self._lock is None):
            return
        if given.is_empty:
            self.discard()
            return
        if self._lock is None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._hold(new_id())
        beside = self._directory / f"{self._name}.tmp"
        with beside.open("w", encoding="utf-8") as file:
            json.dump(asdict(given), file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._directory / f"{self._name}.json")
        self._saved = given

    def discard(self) -> None:
        """Keep it no longer: it was sent. Blocks."""
        if self._lock is not None:
            for ending in ("json", "tmp"):
                (self._directory / f"{self._name}.{ending}").unlink(missing_ok=True)
            (self._directory / f"{self._name}.lock").unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave it to whoever opens the form next."""
        if self._lock is not None:
            self._lock.close()
        self._lock = self._saved = None

    def _hold(self, name: str) -> bool:
        lock = (self._directory / f"{name}.lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._name, self._lock = name, lock
        return True


def _read(file: Path) -> NewSession | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        values = json.loads(file.read_text(encoding="utf-8"))
        known = {one.name for one in fields(NewSession)}
        return NewSession(**{name: str(value) for name, value in values.items() if name in known})
    return None
