"""Launchers of both sorts, and a directory to work in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.host.helpers import Launching, launcher_of


@pytest.fixture(params=["warm", "cold"])
async def launcher(request: pytest.FixtureRequest) -> AsyncIterator[Launching]:
    """Either sort."""
    made = launcher_of(request.param)
    yield made
    await made.close()


@pytest.fixture
async def warm() -> AsyncIterator[Launching]:
    """A warm parent's."""
    made = launcher_of("warm")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """An empty directory."""
    made = tmp_path / "work"
    made.mkdir()
    return made
