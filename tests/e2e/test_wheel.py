"""The wheel: everything that the program needs is in it, nothing else, and it works from wherever it lies."""

from __future__ import annotations

import email
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("cmbagent_tui", "engine", "storage", "tcss")

# Run without site-packages' own set-up, whose path files would lead back to this repository.
FROM_THE_WHEEL = """
import sys
from importlib import import_module
from pathlib import Path

wheel, packages, home = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
sys.path[:0] = [str(wheel)]
sys.path.append(packages)

for name in sys.argv[4:]:
    module = import_module(name)
    assert Path(module.__file__).is_relative_to(wheel), module.__file__

from cmbagent_tui.app import CockpitApp
from cmbagent_tui.demos import demo
from engine.agents.registry import load_agents
from engine.agents.scripts import read_script
from storage import check, upgrade

assert all(Path(look).is_file() for look in CockpitApp.CSS_PATH), CockpitApp.CSS_PATH
assert set(load_agents(home / "agents")) >= {"planner", "plan_reviewer", "engineer", "researcher"}
assert read_script(demo().script).answers
made = upgrade(home)
assert made.before is None and made.after
assert check(home) == []
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the tree as it is, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    command = [*build, "--disable-pip-version-check", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def files() -> Iterator[str]:
    """Every file of the program's packages."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(ROOT).as_posix()


def test_it_holds_the_program_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    described = {name for name in names if name.startswith("cmbagent_tui-")}
    assert names - described == set(files())
    assert any(name.endswith("licenses/LICENSE") for name in described)


def test_it_says_what_it_needs_and_what_it_starts(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        folder = next(name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
        starts = archive.read(f"{folder}/entry_points.txt").decode()
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"science", "anthropic", "gemini", "ollama"} <= set(metadata.get_all("Provides-Extra") or [])
    needed = {one.split(";")[0] for one in metadata.get_all("Requires-Dist") or [] if "extra ==" not in one}
    assert any(one.startswith("ag2[openai]") for one in needed)
    assert not any(one.startswith("pytest") for one in needed)
    assert "cmbagent-tui = cmbagent_tui.cli:main" in starts


def test_what_is_in_it_works_without_the_repository(wheel: Path, tmp_path: Path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "somewhere")
    modules = ["cmbagent_tui.cli", "cmbagent_tui.wiring", "engine.host.warm", "engine.worker.attempt", "storage.store"]
    command = [sys.executable, "-I", "-S", "-c", FROM_THE_WHEEL, str(tmp_path / "somewhere")]
    done = subprocess.run(
        [*command, sysconfig.get_path("purelib"), str(tmp_path / "home"), *modules],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
