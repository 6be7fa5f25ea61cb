"""Where the database and the blobs are: the home directory, or what a database URL says; and how places are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from engine.model.errors import UsageError

_WAY_OUT = "Set CMBAGENT_DATABASE_URL to sqlite:////absolute/path/file.db, or unset it to use CMBAGENT_HOME."


@dataclass(frozen=True, slots=True)
class Location:
    """The two things on disk that make up a store."""

    database: Path
    blobs: Path

    @property
    def backups(self) -> Path:
        """Where backups are put unless a person says otherwise."""
        return self.blobs.with_name("backups")


def locate(home: Path, url: str | None = None) -> Location:
    """Find both, without touching the disk.

    Raises:
        UsageError: the URL names no SQLite file.
    """
    home = home.expanduser().absolute()
    return Location(_from_url(url, home) if url else home / "cmbagent.db", home / "blobs")


def make_private(directory: Path) -> None:
    """Make a directory and those above it, where they are missing, for the owner alone (0700); OSError as it comes."""
    if not directory.is_dir():
        make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def _from_url(url: str, home: Path) -> Path:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("sqlite", "sqlite+pysqlite"):
        # The rest of the URL is not repeated: it may hold a password.
        shown = f"of the kind {scheme!r}" if separator else "without a scheme"
        raise UsageError(f"a database URL {shown} is not supported: only SQLite files are.", _WAY_OUT)
    path, question, _ = rest.partition("?")
    name = unquote(path.removeprefix("/"))
    if question or not path.startswith("/") or not name or name == ":memory:" or "\x00" in name:
        raise UsageError("the database URL names no file: a store must last.", _WAY_OUT)
    return home / name  # an absolute name (four slashes) stands for itself
