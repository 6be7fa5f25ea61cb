"""The house's walls: what the terminal's process never loads, who may import whom, and what the wheel carries."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"ag2", "alembic", "anthropic", "matplotlib", "networkx", "numpy", "openai", "scipy", "sqlalchemy"}


def loaded(code: str) -> set[str]:
    """The modules of a fresh interpreter that has run this code."""
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return set(json.loads(said.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["cmbagent_tui.cli", "cmbagent_tui.app", "cmbagent_tui.demos", "engine.model.plan"])
def test_what_opens_the_screen_loads_nothing_heavy(module: str):
    tops = {name.partition(".")[0] for name in loaded(f"import {module}")}
    assert tops & HEAVY == set()


def test_the_command_line_loads_no_screen():
    assert "textual" not in {name.partition(".")[0] for name in loaded("import cmbagent_tui.cli")}


@pytest.mark.parametrize("module", ["engine", "engine.engine", "cmbagent_tui.wiring"])
def test_the_engines_process_loads_no_agents(module: str):
    names = loaded(f"import {module}")
    assert not [name for name in names if name.partition(".")[0] in ("ag2", "openai", "numpy", "textual")]
    assert not [name for name in names if name.startswith("engine.worker")]


def test_the_probe_of_checks_needs_the_standard_library_alone():
    names = loaded("import engine.worker.probe.main")
    assert {name for name in names if name.startswith(("engine.", "cmbagent_tui", "storage"))} == {
        "engine.worker",
        "engine.worker.probe",
        *(
            f"engine.worker.probe.{one}"
            for one in ("assertions", "base", "files", "main", "pictures", "quoted", "sources")
        ),
    }
    assert not {name.partition(".")[0] for name in names} & {*HEAVY, "pydantic", "PIL", "yaml"}


def test_imports_keep_to_the_walls():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-2000:]


def packages() -> list[str]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
        "packages"
    ]


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("library", "room"),
    [
        ("ag2", "engine/worker"),
        ("sqlalchemy", "storage"),
        ("alembic", "storage"),
        ("sqlite3", "storage"),
        ("textual", "cmbagent_tui"),
        ("rich", "cmbagent_tui"),
    ],
)
def test_a_library_stays_in_its_room(library: str, room: str):
    users = [path for top in packages() for path in (ROOT / top).rglob("*.py") if library in imported(path)]
    assert [str(path.relative_to(ROOT)) for path in users if not path.is_relative_to(ROOT / room)] == []


def test_every_directory_of_the_program_is_in_the_wheel():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    tops = {Path(line).parts[0] for line in listed.stdout.splitlines() if len(Path(line).parts) > 1}
    assert {top for top in tops if not top.startswith(".")} - {"tests", "docs"} == set(packages())


def test_every_directory_with_python_in_it_is_a_package():
    for top in packages():
        for folder, _, files in os.walk(ROOT / top):
            here = Path(folder).relative_to(ROOT)
            if any(name.endswith(".py") for name in files) and "demos/oscillator" not in here.as_posix():
                assert "__init__.py" in files, f"{here} has modules and no __init__.py"


def test_no_file_is_too_long_to_read():
    long = {
        str(path.relative_to(ROOT)): lines
        for top in packages()
        for path in (ROOT / top).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) >= 400
    }
    assert long == {}
