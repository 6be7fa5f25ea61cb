"""A worker that does not keep to the protocol is stopped, and only that worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.errors import WorkerError
from tests.engine.host.helpers import Launching, alive, result_of, run, spec_of


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Hello, world\n", "'Hello, world' is no frame"),
        ("\n", "is no frame"),
        ("null\n", "is no frame"),
        ("[" * 100_000 + "\n", "is no frame"),
        ('{"type": "launch", "rockets": 3}\n', "is no frame"),
        ('{"type": "delta", "event": "e"}\n', r"text: Field required"),
        ('{"type": "delta", "event": "e", "text": "", "more": 1}\n', "Extra inputs are not permitted"),
        ('{"type": "journal", "n": 1e999}\n', "is no frame"),
        ("\xff\xfe\x00\n", "is no frame"),
        ("\x1b]0;owned\x07\n", "is no frame"),
    ],
)
async def test_garbage_is_named_and_ends_the_worker(warm: Launching, workdir: Path, text: str, what: str) -> None:
    worker = await warm.start(spec_of(workdir, "raw", text=text))
    with pytest.raises(WorkerError, match=what) as caught:
        await run(worker)
    assert "the worker broke the protocol" in caught.value.cause
    assert "\x1b" not in str(caught.value)
    assert len(caught.value.cause) < 400
    assert not alive(worker.pid)
    frames, _ = await run(await warm.start(spec_of(workdir, "nothing")))
    assert result_of(frames).ok


async def test_half_a_line_at_the_end(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "raw", text='{"type": "del', close=True))
    with pytest.raises(WorkerError, match="stopped in the middle of a frame"):
        await run(worker)
    assert not alive(worker.pid)


async def test_a_line_of_a_hundred_megabytes(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "raw", text="", mb=100))
    with pytest.raises(WorkerError, match="a line of more than 16 MB"):
        await run(worker)
    assert not alive(worker.pid)


async def test_an_oversized_frame_of_its_own_fails_the_attempt(launcher: Launching, workdir: Path) -> None:
    worker = await launcher.start(spec_of(workdir, "talk", events=1, size=17 * 1024 * 1024))
    frames, _ = await run(worker)
    failure = result_of(frames).failure
    assert failure is not None
    assert "a frame of 17,8" in failure.message
