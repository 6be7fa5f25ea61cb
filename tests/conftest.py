"""What tests of every level share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cockpit import Cockpit
from tests.support.processes import end_all


@pytest.fixture
def cockpit(tmp_path: Path) -> Iterator[Cockpit]:
    """The program with an empty home; whatever of it still runs after the test is ended."""
    one = Cockpit(tmp_path / "home")
    yield one
    end_all(str(one.home))
