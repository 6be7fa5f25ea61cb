"""Where a person was: per run the selected node, pane and tab, kept in a small file so that it opens as it was left."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = 300  # runs


@dataclass(frozen=True, slots=True)
class Place:
    """What was selected in a run's screen."""

    node: str | None = None
    pane: str = "dag"
    tab: str = "summary"


class Remembered:
    """The places of many runs, newest last. A file that cannot be read counts as empty: it is a convenience."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "screens.json"
        self.unsaved = False
        self._places: dict[str, Place] | None = None

    def get(self, run_id: str) -> Place:
        """The place in a run, or the start."""
        return self._all().get(run_id, Place())

    def put(self, run_id: str, place: Place) -> None:
        """Remember a place. It is written by the next `save`."""
        places = self._all()
        if places.get(run_id) == place:
            return
        places.pop(run_id, None)
        places[run_id] = place
        for old in list(places)[:-KEPT]:
            del places[old]
        self.unsaved = True

    def save(self) -> None:
        """Write the file anew, atomically, if there is something new. Blocks: a disk may be slow. One that refuses
        loses only the convenience."""
        if not self.unsaved:
            return
        self.unsaved = False
        text = json.dumps({run: asdict(one) for run, one in list(self._all().items())})
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside = self.path.with_suffix(f".{os.getpid()}.tmp")
            beside.write_text(text, encoding="utf-8")
            beside.replace(self.path)

    def _all(self) -> dict[str, Place]:
        if self._places is None:
            self._places = {}
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
                for run, values in json.loads(self.path.read_text(encoding="utf-8")).items():
                    self._places[run] = Place(**values)
        return self._places
