"""Two trees beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.compare.files import Pair, look_into
from engine.model.comparison import Comparison, FileComparison, Likeness
from engine.model.errors import StorageError
from engine.model.text import clean
from engine.ports import Blobs

LISTED = 2_000  # files of a comparison; identical ones beyond are only counted
_ORDER = (Likeness.DIFFERENT, Likeness.MISSING, Likeness.ADDED, Likeness.WITHIN_TOLERANCE, Likeness.IDENTICAL)


@dataclass(frozen=True, slots=True)
class Content:
    """A file of a tree, and the step that wrote it."""

    path: str
    step: str
    sha256: str
    size: int


async def compare_trees(first: Mapping[str, Content], second: Mapping[str, Content], blobs: Blobs) -> Comparison:
    """Compare file by file. Keys say which files belong together; contents are taken from `blobs`."""
    found = [_by_hash(first.get(key), second.get(key)) for key in sorted({*first, *second})]
    open_ones = [at for at, one in enumerate(found) if one.likeness is Likeness.DIFFERENT]
    pairs: list[Pair] = []
    for at in tuple(open_ones):
        one = found[at]
        try:
            pairs.append(Pair(one.path, *(blobs.path(sha256 or "") for sha256 in one.sha256)))
        except StorageError as error:
            found[at] = replace(one, detail=error.cause)
            open_ones.remove(at)
    for at, (alike, detail) in zip(open_ones, await look_into(pairs) if pairs else (), strict=True):
        likeness = Likeness.WITHIN_TOLERANCE if alike else Likeness.DIFFERENT
        found[at] = replace(found[at], likeness=likeness, detail=detail)
    counts = Counter(one.likeness for one in found)
    found.sort(key=lambda one: _ORDER.index(one.likeness))
    return Comparison(tuple(found[:LISTED]), counts)


def _by_hash(first: Content | None, second: Content | None) -> FileComparison:
    either = first or second
    assert either is not None
    hashes = first.sha256 if first else None, second.sha256 if second else None
    if first is None or second is None:
        likeness = Likeness.ADDED if first is None else Likeness.MISSING
        detail = f"{either.size:,} bytes that {'were not there' if first is None else 'are not there now'}"
    elif first.sha256 == second.sha256:
        likeness, detail = Likeness.IDENTICAL, f"the same {either.size:,} bytes"
    else:
        likeness, detail = Likeness.DIFFERENT, "its bytes differ"
    return FileComparison(clean(either.path), either.step, likeness, detail, hashes)
