"""Where a person was: per run the selected node, pane and tab, and how the sessions were looked at, kept in small files
so that everything opens as it was left."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cmbagent_tui.whole_file import write_whole

KEPT = 300  # runs


@dataclass(frozen=True, slots=True)
class Place:
    """What was selected in a run's screen."""

    node: str | None = None
    pane: str = "dag"
    tab: str = "summary"


@dataclass(frozen=True, slots=True)
class HomePlace:
    """How the sessions were looked at: what for, on which shelf, in which order, and what was selected and unfolded."""

    query: str = ""
    shelf: str = "current"
    sort: str = "updated"
    reverse: bool = False
    session: str | None = None
    run: str | None = None
    unfolded: tuple[str, ...] = ()


class Remembered:
    """The places of many runs, newest last. A file that cannot be read counts as empty: it is a convenience."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "screens.json"
        self.unsaved = False
        self._places: dict[str, Place] | None = None
        self._home_path = directory / "home.json"
        self._home: HomePlace | None = None

    @property
    def home(self) -> HomePlace:
        """How the sessions were looked at."""
        if self._home is None:
            self._home = HomePlace()
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
                values = json.loads(self._home_path.read_text(encoding="utf-8"))
                self._home = HomePlace(**{**values, "unfolded": tuple(values.get("unfolded", ()))})
        return self._home

    @home.setter
    def home(self, place: HomePlace) -> None:
        if place != self._home:
            self._home = place
            self.unsaved = True

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
        """Write the files anew, each atomically, if there is something new. Blocks: a disk may be slow. One that
        refuses loses only the convenience."""
        if not self.unsaved:
            return
        self.unsaved = False
        if self._places is not None:
            _write(self.path, {run: asdict(one) for run, one in list(self._places.items())})
        if self._home is not None:
            _write(self._home_path, asdict(self._home))

    def _all(self) -> dict[str, Place]:
        if self._places is None:
            self._places = {}
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
                for run, values in json.loads(self.path.read_text(encoding="utf-8")).items():
                    self._places[run] = Place(**values)
        return self._places


def _write(path: Path, values: object) -> None:
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps(values))
