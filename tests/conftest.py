"""What tests of every level share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cockpit import Cockpit


@pytest.fixture
def cockpit(tmp_path: Path) -> Cockpit:
    """The program with an empty home."""
    return Cockpit(tmp_path / "home")
