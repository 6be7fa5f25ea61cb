"""What was typed and not sent, kept in a file until it is: whatever becomes of the app."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from cmbagent_tui.whole_file import write_whole


class Kept:
    """One draft, as JSON in a file of its own. Blocks: a disk may be slow. A file that cannot be read is no draft."""

    def __init__(self, state_dir: Path, kind: str, identity: str) -> None:
        self._path = state_dir / "drafts" / f"{kind}-{identity}.json"

    def read(self) -> dict[str, Any]:
        """What is kept; nothing when nothing is."""
        with contextlib.suppress(OSError, ValueError):
            found: object = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return {str(name): value for name, value in found.items()}
        return {}

    def save(self, values: dict[str, Any]) -> None:
        """Keep this, in place of what was kept; with nothing, keep nothing.

        Raises:
            OSError: the disk refused it.
        """
        if not values:
            self.discard()
            return
        write_whole(self._path, json.dumps(values))

    def discard(self) -> None:
        """Keep nothing any more.

        Raises:
            OSError: the disk refused it.
        """
        self._path.unlink(missing_ok=True)
