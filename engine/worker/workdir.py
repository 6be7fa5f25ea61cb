"""The step's directory as the agent's tools see it: nothing outside can be read, written or even asked about."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from engine.model.frames import FilesFrame
from engine.model.plan import path_problem
from engine.model.text import clean, one_line
from engine.worker.channel import Channel
from engine.worker.files import Watch

READ_CHARS = 32_000  # of a file, at once
READ_BYTES = 32 * 1024 * 1024  # of a file that is looked into at all
LISTED = 500  # files
CODEBASE = "codebase"
_SMALL = 256 * 1024  # bytes
_ENTRY = 4096  # bytes that could be read in the time that it takes to open a file

T = TypeVar("T")


class Refusal(Exception):
    """A tool will not do this; the text tells the model why, and what to do instead."""


class Workdir:
    """Reads, writes and records the files of one step."""

    def __init__(self, root: Path, channel: Channel) -> None:
        self.root = root
        self._channel = channel
        self._real_root = root.resolve()
        self._watch = Watch(root)

    @property
    def displaced(self) -> bool:
        """Whether code has put a link in the directory's place."""
        return self._watch.displaced

    def resolve(self, path: str) -> Path:
        """Where a path leads, symbolic links followed.

        Raises:
            Refusal: it leads outside the directory.
        """
        problem = path_problem(path)
        if problem:
            raise Refusal(
                f"{one_line(problem, 200)}. Give a path relative to the step's directory, such as data/result.json."
            )
        target = self.root / path
        try:
            inside = target.resolve().is_relative_to(self._real_root)
        except (OSError, RuntimeError):
            inside = False
        if not inside:
            raise Refusal(f"{one_line(path)!r} leads outside the step's directory. Give a path inside it.")
        return target

    def read(self, path: str, start: int, lines: int) -> str:
        """Some lines of a text file, numbered in the heading only.

        Raises:
            Refusal: there is no such file, it is no text, or it is too large.
        """
        target = self.resolve(path)
        try:
            info = target.stat()
        except OSError:
            raise Refusal(f"There is no file {path!r}. The files are:\n{self.listing()}") from None
        if stat.S_ISDIR(info.st_mode):
            raise Refusal(f"{path!r} is a directory. The files are:\n{self.listing()}")
        if not stat.S_ISREG(info.st_mode) or info.st_size > READ_BYTES:
            raise Refusal(f"{path!r} has {info.st_size} bytes and cannot be read whole; look into it with run_code.")
        data = target.read_bytes()
        if b"\0" in data[:8192]:
            raise Refusal(f"{path!r} is binary ({info.st_size} bytes); look into it with run_code.")
        every = data.decode("utf-8", errors="replace").splitlines()
        first = max(1, start)
        if first > len(every):
            return f"{path} has {len(every)} lines; there is nothing from line {first} on."
        wanted = every[first - 1 : first - 1 + max(1, lines)]
        text = "\n".join(wanted)
        heading = f"{path}: lines {first} to {first - 1 + len(wanted)} of {len(every)}"
        return f"{heading}\n{clean(text, READ_CHARS)}"

    async def missing(self, paths: Sequence[str]) -> list[str]:
        """Which of these are not among the files that are kept, nor directories that hold such a file."""
        if not paths:
            return []
        kept = {PurePosixPath(path) for path in await self.tree()}
        kept |= {directory for path in kept for directory in path.parents}
        return [path for path in paths if PurePosixPath(path) not in kept]

    def listing(self) -> str:
        """Every file with its size, one a line, in order of path."""
        found: list[str] = []
        total = 0
        for directory, names, files in os.walk(self.root):
            names.sort()
            for name in sorted(files):
                total += 1
                if len(found) < LISTED:
                    path = Path(directory, name)
                    found.append(f"{path.relative_to(self.root).as_posix()}  {path.lstat().st_size}")
        if not found:
            return "(no files)"
        more = f"\n… and {total - len(found)} more" if total > len(found) else ""
        return clean("\n".join(sorted(found))) + more

    def write(self, path: str, text: str) -> str:
        """Write a text file and say so.

        Raises:
            Refusal: the path leads outside, or is a directory.
        """
        target = self.resolve(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # What code left there (a link that leads out, a pipe that nobody reads) is replaced, not written to.
            target.unlink(missing_ok=True)
            with target.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(text)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            raise Refusal(f"{path!r} cannot be a file: a directory or a file is in the way.") from None
        return f"Wrote {PurePosixPath(path)} ({target.stat().st_size} bytes)."

    async def record(self, agent: str, event: str | None) -> tuple[list[str], list[str]]:
        """Have the host store every file that has changed since the last time.

        Returns:
            The paths with what changed, and a sentence for everything that cannot be kept.
        """
        changes = tuple(await self._looked(self._watch.changes))
        if changes:
            await self._channel.commit(lambda n: FilesFrame(n=n, event=event, agent=agent, changes=changes))
        return [f"{one.path} ({one.change})" for one in changes], self._watch.problems

    async def tree(self) -> dict[str, tuple[str, int]]:
        """Every file: path → (SHA-256, size)."""
        return await self._looked(self._watch.tree)

    @property
    def recorded(self) -> dict[str, tuple[str, int]]:
        """Every file as it was when it was last recorded: path → (SHA-256, size)."""
        return self._watch.reported

    async def _looked(self, look: Callable[[], T]) -> T:
        """What a look at the files finds. Large files take their time to be read, few small ones less than a thread."""
        return look() if _is_small(self.root) else await asyncio.to_thread(look)


def _is_small(root: Path) -> bool:
    """Whether what lies there is read in about a millisecond."""
    left, room = [str(root)], _SMALL
    try:
        while left:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    room -= _ENTRY + entry.stat(follow_symlinks=False).st_size
                    if room < 0 or entry.is_symlink():
                        return False
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
    except OSError:
        return False
    return True
