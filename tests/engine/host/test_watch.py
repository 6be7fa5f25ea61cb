"""What changed in a directory, whatever hostile code left there."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from engine.model.frames import MAX_FRAME, FileChange, FilesFrame, ResultFrame
from engine.model.text import clean
from engine.worker.files import Watch, kind_of


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def told(changes: list[FileChange]) -> list[tuple[str, str]]:
    return [(change.path, change.change) for change in changes]


def test_added_changed_deleted(workdir: Path) -> None:
    (workdir / "data").mkdir()
    (workdir / "data" / "a.csv").write_text("1")
    (workdir / "b.md").write_text("b")
    watch = Watch(workdir)
    assert watch.changes() == []
    (workdir / "data" / "a.csv").write_text("2")
    (workdir / "b.md").unlink()
    (workdir / "fit.py").write_text("pass")
    assert watch.changes() == [
        FileChange(path="b.md", change="deleted", kind="text"),
        FileChange(path="data/a.csv", change="changed", sha256=sha("2"), size=1, kind="data"),
        FileChange(path="fit.py", change="added", sha256=sha("pass"), size=4, kind="code"),
    ]
    assert watch.changes() == []
    assert watch.tree() == {"data/a.csv": (sha("2"), 1), "fit.py": (sha("pass"), 4)}


def test_what_was_only_touched_is_no_change(workdir: Path) -> None:
    (workdir / "a").write_text("same")
    watch = Watch(workdir)
    os.utime(workdir / "a", ns=(1, 1))
    (workdir / "b").write_text("same")
    (workdir / "b").replace(workdir / "a")
    assert watch.changes() == []


def test_same_size_and_same_time_but_other_content(workdir: Path) -> None:
    (workdir / "a").write_text("one")
    times = (workdir / "a").stat()
    watch = Watch(workdir)
    (workdir / "a").write_text("two")
    os.utime(workdir / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert told(watch.changes()) == [("a", "changed")]


def test_writes_in_quick_succession_are_all_seen(workdir: Path) -> None:
    watch = Watch(workdir)
    for number in range(200):
        (workdir / "a").write_text(f"{number:3}")
        (change,) = watch.changes()
        assert change.sha256 == sha(f"{number:3}")


def test_the_tree_does_not_use_up_changes(workdir: Path) -> None:
    watch = Watch(workdir)
    (workdir / "a").write_text("1")
    assert list(watch.tree()) == ["a"]
    assert told(watch.changes()) == [("a", "added")]


def test_clutter_is_not_kept(workdir: Path) -> None:
    for path in ("__pycache__/a.cpython-311.pyc", "sub/__pycache__/x", ".git/config", "b.pyc", ".ipynb_checkpoints/n"):
        (workdir / path).parent.mkdir(parents=True, exist_ok=True)
        (workdir / path).write_text("x")
    watch = Watch(workdir)
    assert watch.tree() == {}
    assert watch.problems == []


def test_links_are_not_followed_outside(workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("secret")
    (workdir / "run3.csv").write_text("3")
    (workdir / "sub").mkdir()
    (workdir / "sub" / "x").write_text("x")
    for name, target in {
        "out": "../secret",
        "absolute": str(tmp_path / "secret"),
        "dir": "../secrets",
        "latest.csv": "run3.csv",
        "inner": "sub",
        "loop": "loop",
        "dangling": "nowhere",
        "sub/up": "../../secret",
        "chain": "out",
    }.items():
        (workdir / name).symlink_to(target)
    watch = Watch(workdir)
    assert watch.tree() == {"latest.csv": (sha("3"), 1), "run3.csv": (sha("3"), 1), "sub/x": (sha("x"), 1)}
    problems = "\n".join(watch.problems)
    for name in ("out", "absolute", "dir", "sub/up", "chain"):
        assert f"'{name}' is not kept: it is a link that leads outside the directory" in problems
    for name in ("loop", "dangling"):
        assert f"'{name}' is not kept: it is a link that leads nowhere" in problems
    (workdir / "run3.csv").write_text("4")
    assert told(watch.changes()) == [("latest.csv", "changed"), ("run3.csv", "changed")]


def test_pipes_sockets_and_devices_are_skipped(workdir: Path) -> None:
    os.mkfifo(workdir / "pipe")
    (workdir / "null").symlink_to("/dev/null")
    watch = Watch(workdir)
    assert watch.tree() == {}
    assert "'pipe' is not kept: it is neither a file nor a directory" in watch.problems


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_odd_names_are_reported_and_safe_to_show(workdir: Path) -> None:
    odd = [
        b"new\nline",
        b"\xff\xfe.txt",
        b"\x1b[2Jescape",
        "bidi\u202efdp.exe".encode(),
        b" space",
        b"~home",
        b"back\\slash",
    ]
    for name in odd:
        Path(os.fsdecode(os.fsencode(workdir) + b"/" + name)).write_text("x")
    (workdir / "größe 1.txt").write_text("x")
    directory = workdir / "tab\there"
    directory.mkdir()
    (directory / "x").write_text("x")
    watch = Watch(workdir)
    assert list(watch.tree()) == ["größe 1.txt"]
    assert len(watch.problems) == len(odd) + 1
    for problem in watch.problems:
        assert clean(problem) == problem
        assert "\n" not in problem
        problem.encode()


def test_deep_and_many(workdir: Path) -> None:
    deep = workdir
    for _ in range(100):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    (workdir / "y").write_text("y")
    watch = Watch(workdir)
    assert list(watch.tree()) == ["y"]
    assert "more than 64 directories deep" in watch.problems[0]


def test_whatever_code_leaves_fits_into_a_frame(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the proportion counts: what a file takes in a frame, against what the watch thinks that it takes.
    monkeypatch.setattr("engine.worker.files._NAMES", 100_000)
    watch = Watch(workdir)
    for number in range(1000):
        (workdir / f"{'ü' * 60}{number}").write_text("")
    changes = watch.changes()
    assert 200 < len(changes) < 1000
    assert "more files than can be kept" in watch.problems[0]
    frames = (
        FilesFrame(n=1, event="x" * 36, agent="engineer", changes=tuple(changes)),
        ResultFrame(n=1, ok=True, tree=watch.tree()),
    )
    for frame in frames:
        assert len(frame.model_dump_json().encode()) < 100_000 * MAX_FRAME / (8 * 1024 * 1024)


def test_a_root_that_is_gone(workdir: Path) -> None:
    (workdir / "a").write_text("a")
    watch = Watch(workdir)
    (workdir / "a").unlink()
    workdir.rmdir()
    assert told(watch.changes()) == [("a", "deleted")]
    assert watch.tree() == {}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/b.PY", "code"),
        ("d.csv", "data"),
        ("f.png", "figure"),
        ("report.md", "text"),
        ("x", "other"),
        ("a.xyz", "other"),
    ],
)
def test_kinds(path: str, kind: str) -> None:
    assert kind_of(path) == kind
