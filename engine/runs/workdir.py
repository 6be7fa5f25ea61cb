"""Work directories: a node starts from the merge of its upstream checkpoints and never writes into another's directory.

Where two branches wrote one path differently, neither wins: both are kept under names that say whose they are, and the
conflict is reported.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from engine.model.records import Checkpoint, TreeEntry
from engine.ports import Blobs


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path that parallel nodes wrote differently, and the names under which each version was kept."""

    path: str
    kept: tuple[str, ...]
    nodes: tuple[str, ...]


def merge(
    checkpoints: Iterable[Checkpoint], ancestors: Callable[[str], Collection[str]], steps: Mapping[str, str]
) -> tuple[tuple[TreeEntry, ...], tuple[Conflict, ...]]:
    """Merge trees, later checkpoints beside earlier ones.

    `ancestors` gives the nodes that a node builds on: a version written by a node that saw the other one replaces it.
    `steps` maps node ids to step ids, for the names of files in conflict.
    """
    versions: dict[str, list[TreeEntry]] = {}
    for checkpoint in checkpoints:
        for entry in checkpoint.tree:
            rivals = versions.setdefault(entry.path, [])
            if any(_supersedes(rival, entry, ancestors) for rival in rivals):
                continue
            rivals[:] = [rival for rival in rivals if not _supersedes(entry, rival, ancestors)]
            rivals.append(entry)
    tree: list[TreeEntry] = []
    conflicts: list[Conflict] = []
    for path, rivals in sorted(versions.items()):
        if len(rivals) == 1:
            tree.append(rivals[0])
            continue
        renamed = [replace(rival, path=_beside(path, steps.get(rival.node_id, "other"))) for rival in rivals]
        tree += renamed
        conflicts.append(
            Conflict(path, tuple(one.path for one in renamed), tuple(one.node_id for one in renamed)),
        )
    return tuple(tree), tuple(conflicts)


def materialise(root: Path, tree: Iterable[TreeEntry], blobs: Blobs) -> None:
    """Make `root` hold exactly this tree, as private writable copies."""
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True, mode=0o700)
    for entry in tree:
        target = root / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        blobs.materialise(entry.sha256, target)


async def prepare(root: Path, tree: Collection[TreeEntry], blobs: Blobs) -> None:
    """`materialise` where it may take its time: in a thread, unless all there is to do is to make a directory."""
    if tree or not _made(root):
        await asyncio.to_thread(materialise, root, tree, blobs)


def _made(root: Path) -> bool:
    try:
        root.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        return False
    return True


def checkpoint_tree(
    node_id: str, files: Mapping[str, tuple[str, int]], before: Iterable[TreeEntry]
) -> tuple[TreeEntry, ...]:
    """The tree that a node leaves behind; what it did not change still belongs to the node that wrote it."""
    inherited = {entry.path: entry for entry in before}
    tree: list[TreeEntry] = []
    for path, (sha256, size) in sorted(files.items()):
        known = inherited.get(path)
        same = known is not None and known.sha256 == sha256
        tree.append(known if same and known else TreeEntry(path, sha256, size, node_id))
    return tuple(tree)


def _supersedes(new: TreeEntry, old: TreeEntry, ancestors: Callable[[str], Collection[str]]) -> bool:
    attached = not old.node_id  # by a person, before every node
    return new.sha256 == old.sha256 or attached or old.node_id in ancestors(new.node_id)


def _beside(path: str, step: str) -> str:
    name = PurePosixPath(path)
    return str(name.with_name(f"{name.stem}~{step}{name.suffix}"))
