"""Blobs: stored once, whole, private; never handed out changed."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from engine.model.errors import StorageError
from storage.blobs import FileBlobs


@pytest.fixture
def blobs(tmp_path):
    return FileBlobs(tmp_path / "blobs")


def files(blobs):
    return sorted(path for path in blobs.path("0" * 64).parent.parent.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_000])
def test_bytes_and_files_come_back_by_their_hash(blobs, tmp_path, size):
    data = random.Random(size).randbytes(size)
    sha256 = hashlib.sha256(data).hexdigest()
    assert not blobs.has(sha256)
    (tmp_path / "file").write_bytes(data)
    assert blobs.put_file(tmp_path / "file") == (sha256, size)
    assert blobs.put_file(tmp_path / "file", expected=sha256) == (sha256, size)
    assert blobs.put(data) == sha256
    assert blobs.has(sha256) and blobs.get(sha256) == data
    assert files(blobs) == [blobs.path(sha256)]
    assert stat.S_IMODE(blobs.path(sha256).stat().st_mode) == 0o400


@pytest.mark.parametrize("size", [4, 3_000_000])
def test_what_is_there_is_not_written_again_but_counts_as_new(blobs, tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    sha256 = blobs.put(b"x" * size)
    path, before = blobs.path(sha256), blobs.path(sha256).stat()
    for find in (
        lambda: blobs.put(b"x" * size),
        lambda: blobs.put_file(tmp_path / "file"),
        lambda: blobs.put_file(tmp_path / "file", sha256),
        lambda: blobs.has(sha256),
    ):
        long_ago = time.time() - 9000
        os.utime(path, (long_ago, long_ago))
        find()
        assert path.stat().st_ino == before.st_ino
        assert not blobs.remove_old(sha256, time.time() - 3600)
    assert blobs.remove_old(sha256, time.time() + 1) and not blobs.has(sha256)
    assert not blobs.remove_old(sha256, time.time() + 1)


def test_what_is_stored_while_it_is_removed_as_old_is_there(blobs):
    sha256 = blobs.put(b"wanted")
    for _ in range(200):
        os.utime(blobs.path(sha256), (0, 0))
        remover = threading.Thread(target=blobs.remove_old, args=(sha256, time.time() - 3600))
        remover.start()
        blobs.put(b"wanted")
        remover.join()
        assert blobs.get(sha256) == b"wanted"


def test_a_blob_that_was_cut_off_is_written_again(blobs):
    sha256 = blobs.put(b"whole content")
    blobs.path(sha256).chmod(0o600)
    blobs.path(sha256).write_bytes(b"whole")
    with pytest.raises(StorageError, match="damaged"):
        blobs.get(sha256)
    blobs.put(b"whole content")
    assert blobs.get(sha256) == b"whole content"


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_file_that_is_not_what_was_expected_is_refused(blobs, tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    with pytest.raises(StorageError, match="changed"):
        blobs.put_file(tmp_path / "file", expected=hashlib.sha256(b"other").hexdigest())
    assert files(blobs) == []


def test_a_file_that_changes_while_it_is_read_is_refused(blobs, tmp_path):
    """A writer that overwrites in place. The file's times are coarse, so one try in many may fall between two of their
    ticks; what is stored then is what was read, under its own hash."""
    path = tmp_path / "busy"
    path.write_bytes(b"\x00" * 8_000_000)
    stop = threading.Event()

    def scribble():
        with path.open("r+b") as handle:
            while not stop.is_set():
                handle.seek(random.randrange(8_000_000))
                handle.write(os.urandom(16))
                handle.flush()

    thread = threading.Thread(target=scribble)
    thread.start()
    refused = 0
    try:
        for _ in range(10):
            try:
                blobs.put_file(path)
            except StorageError:
                refused += 1
    finally:
        stop.set()
        thread.join()
    assert refused
    assert [blobs.verify(path.name) for path in files(blobs)] == [None] * len(files(blobs))


def test_only_regular_files_are_stored(blobs, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "missing", "."):
        with pytest.raises(StorageError, match="cannot store"):
            blobs.put_file(tmp_path / name)


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_a_materialised_copy_is_private_and_writable_and_apart(blobs, tmp_path, size):
    data = b"z" * size
    sha256 = blobs.put(data)
    target = tmp_path / "deep" / "er" / "copy.bin"
    blobs.materialise(sha256, target)
    assert target.read_bytes() == data
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    target.write_bytes(b"changed")
    assert blobs.get(sha256) == data
    blobs.materialise(sha256, target)
    assert target.read_bytes() == data
    assert [path.name for path in target.parent.iterdir()] == ["copy.bin"]


def test_a_link_in_the_targets_place_is_replaced_not_followed(blobs, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "copy").symlink_to(tmp_path / "precious")
    blobs.materialise(blobs.put(b"new"), tmp_path / "copy")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "copy").read_bytes() == b"new" and not (tmp_path / "copy").is_symlink()


def test_a_damaged_or_missing_blob_is_not_handed_out(blobs, tmp_path):
    sha256 = blobs.put(b"good" * 1000)
    blobs.path(sha256).chmod(0o600)
    blobs.path(sha256).write_bytes(b"evil" * 1000)
    (tmp_path / "copy").write_text("as it was")
    for _ in range(2):
        with pytest.raises(StorageError):
            blobs.get(sha256)
        with pytest.raises(StorageError):
            blobs.materialise(sha256, tmp_path / "copy")
        assert blobs.verify(sha256)
        blobs.path(sha256).unlink(missing_ok=True)
    assert (tmp_path / "copy").read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "copy"]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "\x1b[31m"])
def test_a_name_that_is_no_hash_leads_nowhere(blobs, name):
    for call in (blobs.get, blobs.has, blobs.path):
        with pytest.raises(StorageError, match="names no stored content") as caught:
            call(name)
        assert "\x1b" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write under"):
        FileBlobs(tmp_path / "file" / "blobs").put(b"x")


def test_leftovers_of_killed_writers_are_swept_after_a_day(tmp_path):
    tmp = tmp_path / "blobs" / "tmp"
    tmp.mkdir(parents=True)
    (tmp / "old").write_text("")
    (tmp / "fresh").write_text("")
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(tmp / "old", (long_ago, long_ago))
    FileBlobs(tmp_path / "blobs").put(b"x")
    assert [path.name for path in tmp.iterdir()] == ["fresh"]


def test_threads_that_store_the_same_at_once_agree(blobs):
    data = [bytes([n]) * 100_000 for n in range(8)]
    threads = [threading.Thread(target=lambda: [blobs.put(one) for one in data]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(blobs) == sorted(blobs.path(hashlib.sha256(one).hexdigest()) for one in data)
    assert all(blobs.verify(hashlib.sha256(one).hexdigest()) is None for one in data)


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_that_is_killed_leaves_whole_blobs_or_none(tmp_path, seed):
    script = """if True:
        import os, sys
        from pathlib import Path
        from storage.blobs import FileBlobs
        blobs = FileBlobs(Path(sys.argv[1]))
        print("ready", flush=True)
        while True:
            os.write(1, blobs.put(os.urandom(300_000)).encode() + b"\\n")
    """
    blobs = FileBlobs(tmp_path / "blobs")
    command = [sys.executable, "-c", script, str(tmp_path / "blobs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(random.Random(seed).uniform(0.01, 0.1))
        process.send_signal(signal.SIGKILL)
        acknowledged = process.stdout.read().split("\n")[:-1]
    stored = list((tmp_path / "blobs").glob("??/*"))
    assert {path.name for path in stored} >= set(acknowledged)
    assert [blobs.verify(path.name) for path in stored] == [None] * len(stored)
