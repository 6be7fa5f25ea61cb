"""What of the machine, the packages and the models is there or missing, each with the way out."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cmbagent_tui.settings import Settings
from engine.model.modelref import NO_MODEL_HINT, default_model
from engine.model.text import one_line

_SCIENCE = ("numpy", "scipy", "matplotlib")
_EXTRAS = {"anthropic": "anthropic", "gemini": "google-genai", "ollama": "ollama"}
_SAID = 300  # characters


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `ok` None: neither good nor bad, only said."""

    name: str
    ok: bool | None
    detail: str


def missing(settings: Settings) -> list[str]:
    """What is needed and not there, in a line each. It starts a process: not to be waited for by a screen."""
    found = [*machine(), *packages(settings)]
    return [one_line(f"{one.name}: {one.detail}", _SAID) for one in found if one.ok is False]


def machine() -> Iterator[Finding]:
    """The interpreter, the system, the sandbox and the disk."""
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("python", supported or None, f"{platform.python_version()} (made for 3.11 to 3.13)")
    if sys.platform == "linux":
        yield Finding("system", True, f"{platform.system()} {platform.release()}")
    else:
        yield Finding(
            "system",
            None,
            f"{platform.system()}: works with fewer guards (no parent-death signal, no sweep of stray processes)",
        )
    yield Finding("sandbox", None, "limits only: the agents' code can read and write what you can, and use the network")
    free = shutil.disk_usage(Path.home()).free
    yield Finding("disk", free > 1 << 30, f"{free / 1e9:.1f} GB free in the home directory")


def packages(settings: Settings) -> Iterator[Finding]:
    """What is installed beside this program, and for the code that agents write."""
    for name in ("cmbagent-tui", "ag2", "textual", "sqlalchemy"):
        yield Finding(name, True, version(name))
    python = str(settings.values.get("python") or sys.executable)
    absent = _absent(python, _SCIENCE)
    detail = f"{', '.join(absent)} missing for {python}: pip install 'cmbagent-tui[science]'" if absent else python
    yield Finding("science", not absent, detail)


def models(settings: Settings) -> Iterator[Finding]:
    """The model that is used, and those that could be."""
    model = settings.values.get("model") or default_model(settings.environ)
    yield Finding("model", None if not model else True, str(model) if model else f"none is set. {NO_MODEL_HINT}")
    for extra, package in _EXTRAS.items():
        try:
            yield Finding(extra, None, f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(extra, None, f"not installed: pip install 'cmbagent-tui[{extra}]'")


def _absent(python: str, names: tuple[str, ...]) -> list[str]:
    """Those of the packages that an interpreter does not find."""
    code = f"from importlib.util import find_spec; print(*(name for name in {names!r} if find_spec(name) is None))"
    try:
        found = subprocess.run(
            [python, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return list(names)
    return found.stdout.split()
