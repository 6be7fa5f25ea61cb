"""Merging what upstream steps left: no version of a file is ever dropped without a word."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.model.records import Checkpoint, TreeEntry
from engine.runs.workdir import checkpoint_tree, materialise, merge
from storage import open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NONE: dict[str, set[str]] = {}


def left(node: str, **files: str) -> Checkpoint:
    """A checkpoint whose files are given as name=content@writer."""
    tree = []
    for name, value in files.items():
        content, _, writer = value.partition("@")
        tree.append(TreeEntry(f"data/{name}.json", content, len(content), writer or node))
    return Checkpoint(f"c-{node}", "s", "r", node, f"a-{node}", NOW, tuple(tree), {})


def names(tree: tuple[TreeEntry, ...]) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in tree}


def test_parallel_steps_that_wrote_different_files_merge() -> None:
    tree, conflicts = merge([left("a", x="1"), left("b", y="2")], lambda _: set(), {})
    assert names(tree) == {"data/x.json": "1", "data/y.json": "2"}
    assert conflicts == ()


def test_one_path_written_differently_is_kept_twice_and_reported() -> None:
    steps = {"a": "undamped", "b": "damped"}
    tree, conflicts = merge([left("a", fit="1"), left("b", fit="2")], lambda _: set(), steps)
    assert names(tree) == {"data/fit~undamped.json": "1", "data/fit~damped.json": "2"}
    assert conflicts[0].path == "data/fit.json"
    assert set(conflicts[0].kept) == {"data/fit~undamped.json", "data/fit~damped.json"}


def test_the_same_content_twice_is_no_conflict() -> None:
    tree, conflicts = merge([left("a", fit="1"), left("b", fit="1")], lambda _: set(), {})
    assert names(tree) == {"data/fit.json": "1"}
    assert conflicts == ()


@pytest.mark.parametrize("turned", [False, True])
def test_a_later_version_replaces_the_one_it_saw_in_whatever_order_they_come(turned: bool) -> None:
    ancestors = {"late": {"early"}, "early": set()}
    both = [left("other", fit="old@early"), left("late", fit="new")]
    tree, conflicts = merge(both[::-1] if turned else both, lambda node: ancestors.get(node, set()), {})
    assert names(tree) == {"data/fit.json": "new"}
    assert conflicts == ()


def test_what_a_node_did_not_change_stays_its_writers() -> None:
    before = [TreeEntry("a.txt", "1", 1, "first"), TreeEntry("b.txt", "2", 1, "first")]
    tree = checkpoint_tree("second", {"a.txt": ("1", 1), "b.txt": ("3", 1), "c.txt": ("4", 1)}, before)
    assert {entry.path: entry.node_id for entry in tree} == {"a.txt": "first", "b.txt": "second", "c.txt": "second"}


def test_a_directory_is_made_anew_and_its_files_are_private(tmp_path: Path) -> None:
    _, blobs = open_store(tmp_path)
    sha256 = blobs.put(b"hello")
    root = tmp_path / "work"
    root.mkdir()
    (root / "stale.txt").write_text("from before")
    materialise(root, [TreeEntry("data/a.txt", sha256, 5, "n")], blobs)
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["a.txt"]
    (root / "data/a.txt").write_text("changed in place")
    assert blobs.get(sha256) == b"hello"
