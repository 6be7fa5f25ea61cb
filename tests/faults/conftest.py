"""A place for victims, and what comes of their runs when nothing happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import storage

pytest.register_assert_rewrite("tests.support.faults")  # so that it shows what it found

from tests.support.faults import Place, Undisturbed  # noqa: E402


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which nothing is: it is copied, so that it need not be made again and again."""
    home = tmp_path_factory.mktemp("empty")
    storage.upgrade(home)
    return home / "cmbagent.db"


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty: Path) -> Undisturbed:
    """What comes of each shape when nothing happens."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), empty)


@pytest.fixture
def place(tmp_path: Path, seed: int, empty: Path) -> Iterator[Place]:
    """A home for the victims of one test, with the test's seed."""
    made = Place(tmp_path, seed, empty)
    try:
        yield made
    finally:
        made.end()
    made.quiet()
