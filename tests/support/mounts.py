"""Disks that are small, or that may not be written to: mounted in a namespace of their own, gone with it (Linux)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, *, size: str | None = None) -> Iterator[list[str]]:
    """A disk of this size, or (without one) what lies there, read-only; gives the command prefix that sees it so.

    Skips the test where nothing may be mounted.
    """
    place.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size={size} none {place}" if size else f"mount --bind {place} {place}"
    mount += "" if size else f" && mount -o remount,ro,bind {place}"
    try:
        holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{mount} && echo ready && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    with holder:
        assert holder.stdin is not None and holder.stdout is not None and holder.stderr is not None
        if holder.stdout.readline() != "ready\n":
            pytest.skip(f"nothing may be mounted here: {holder.stderr.read().strip()}")
        yield ["nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials", "--"]
