"""Has pairs of files looked into by a process of their own: bounded in time and memory, and killed with its task."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.model.text import one_line

SECONDS = 30.0  # for one pair
TOTAL_SECONDS = 300.0  # for all pairs of a comparison
_DETAIL = 400  # characters
_ROOT = Path(__file__).parents[2]
# The standard library alone: -I and -S leave out everything that was installed or lies about.
_PROGRAM = f"import sys; sys.path.append({str(_ROOT)!r}); from engine.compare.looks.main import main; main()"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions of a file; `name` is its path in the tree, which says of what kind it is."""

    name: str
    one: Path
    other: Path


async def look_into(
    pairs: Sequence[Pair], *, seconds: float = SECONDS, total: float = TOTAL_SECONDS
) -> list[tuple[bool, str]]:
    """For each pair whether the two are alike, and in words where they differ first, or by how much.

    What a pair cannot be looked into for (it is damaged, too large, takes too long) is a difference with that reason.
    """
    verdicts: list[tuple[bool, str]] = []
    deadline = time.monotonic() + total
    while len(verdicts) < len(pairs):
        left = deadline - time.monotonic()
        if left <= 0:
            why = f"its bytes differ; it was not looked into, as the comparison took more than {total:g} s"
            verdicts += [(False, why)] * (len(pairs) - len(verdicts))
            break
        verdicts += await _looked(pairs[len(verdicts) :], seconds, left)
    return verdicts


async def _looked(pairs: Sequence[Pair], seconds: float, left: float) -> list[tuple[bool, str]]:
    """Verdicts on the first pairs, one at least: a pair that ends the process leaves those behind it open."""
    jobs = "".join(
        json.dumps({"name": pair.name, "one": str(pair.one), "other": str(pair.other), "seconds": min(seconds, left)})
        + "\n"
        for pair in pairs
    )
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-B", "-c", _PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    except OSError as error:
        return [(False, f"its bytes differ; it cannot be looked into: {error.strerror or error}")] * len(pairs)
    try:
        said = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                said, _ = await process.communicate(jobs.encode())
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    verdicts: list[tuple[bool, str]] = []
    for line in said.splitlines()[: len(pairs)]:
        verdict = json.loads(line)
        verdicts.append((bool(verdict["alike"]), one_line(str(verdict["detail"]), _DETAIL)))
    if len(verdicts) < len(pairs):
        verdicts.append((False, f"its bytes differ; to look into it took more than {seconds:g} s, or more memory"))
    return verdicts
