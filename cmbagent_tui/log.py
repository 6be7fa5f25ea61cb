"""The cockpit's log: what went wrong beside the keys, in a file that stays small and holds no secret.

Several cockpits may write into one file. A line is `time pid kind text`; further lines of a text are set in.
"""

from __future__ import annotations

import fcntl
import re
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from os import getpid
from pathlib import Path
from queue import SimpleQueue

from engine.model.text import clean

MOST = 1_000_000  # bytes of a file; then it is set aside, and the one before that is gone
KEPT = 2  # files that were set aside
_SECRET_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SECRET_SHAPES = re.compile(r"\b(?:sk-|Bearer\s+|AIza|ghp_|xox[a-z]-)[\w.~+/=-]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_LONGEST = 20_000  # characters of one text


class Log:
    """Takes texts from any thread and writes them in one of its own: a slow disk holds nothing up."""

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self.file = file
        self._secrets = sorted(
            (value for name, value in environ.items() if _SECRET_NAMES.search(name) and len(value) >= 6),
            key=len,
            reverse=True,
        )
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def write(self, kind: str, text: str) -> None:
        """Note something. `kind` is info, slow, error or defect."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="log", daemon=True)
            self._thread.start()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        lines = self._safe(text).splitlines() or [""]
        self._queue.put(f"{now}Z {getpid()} {kind} " + "\n    ".join(lines) + "\n")

    def error(self, error: BaseException, *, kind: str = "error") -> None:
        """Note an error with where it came from."""
        self.write(kind, f"{error!r}\n{''.join(traceback.format_exception(error))}")

    def close(self) -> None:
        """Write what is left."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(2.0)
            self._thread = None

    def _safe(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return clean(_SECRET_SHAPES.sub("[redacted]", text), _LONGEST)

    def _work(self) -> None:
        while (line := self._queue.get()) is not None:
            with suppress(OSError):  # a log that cannot be written is no reason to stop
                self._append(line)

    def _append(self, line: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.file.parent / f".{self.file.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.file.exists() and self.file.stat().st_size > MOST:
                for number in range(KEPT, 0, -1):
                    older = self.file.with_suffix(f".{number - 1}.log") if number > 1 else self.file
                    if older.exists():
                        older.replace(self.file.with_suffix(f".{number}.log"))
            with self.file.open("a", encoding="utf-8") as file:
                file.write(line)


def tail(file: Path, most: int = 400_000) -> list[str]:
    """The last lines of a log, at most so many bytes of it; none when there is no such file."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - most))
            lines = opened.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return lines[1:] if size > most else lines


def log_file(home: Path) -> Path:
    """Where the log of a home is."""
    return home / "logs" / "cockpit.log"
