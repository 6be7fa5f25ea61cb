"""Archives taken apart, changed, and put together again, honestly or not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

Json = dict[str, Any]
MANIFEST = "manifest.json"


class Parts:
    """The members of an archive. What is changed here is listed in the manifest as it then is, unless a test says
    otherwise."""

    def __init__(self, file: Path) -> None:
        with ZipFile(file) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.manifest: Json = json.loads(self.members.pop(MANIFEST))
        self.links: set[str] = set()  # names that are written as symbolic links
        self.unlisted: set[str] = set()
        self.listed: Json = {}  # what the manifest says in spite of the truth

    def rows(self, table: str, change: Callable[[Json], object] | None = None) -> list[Json]:
        """The rows of a table, each changed in place first."""
        name = f"records/{table}.jsonl"
        rows = [json.loads(line) for line in self.members[name].splitlines()]
        for row in rows if change else ():
            change(row)  # type: ignore[misc]
        self.put_rows(table, rows)
        return rows

    def put_rows(self, table: str, rows: list[Json]) -> None:
        """Replace the rows of a table."""
        self.members[f"records/{table}.jsonl"] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    def put_blob(self, data: bytes) -> str:
        """Add content; return its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.members[f"blobs/{sha256}"] = data
        return sha256

    def write(self, file: Path) -> Path:
        """Put everything together."""
        listed = {
            name: [len(data), hashlib.sha256(data).hexdigest()]
            for name, data in self.members.items()
            if name not in self.unlisted
        }
        manifest = {**self.manifest, "members": {**listed, **self.listed}}
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            for name, data in self.members.items():
                entry = ZipInfo(name)
                entry.compress_type = ZIP_DEFLATED
                entry.external_attr = (0o120777 if name in self.links else 0o100600) << 16
                archive.writestr(entry, data)
            archive.writestr(MANIFEST, json.dumps(manifest))
        return file
