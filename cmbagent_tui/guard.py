"""A short guard: keys that were typed for what was on the screen before decide nothing."""

from __future__ import annotations

import time


class Guard:
    """Holds for some seconds from when it begins; a key that comes meanwhile begins it anew."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.until = 0.0  # by the monotonic clock

    def begin(self) -> None:
        """Something has come up by itself."""
        self.until = time.monotonic() + self._seconds

    def lets_pass(self) -> bool:
        """Whether a key that comes now may decide."""
        if time.monotonic() < self.until:
            self.begin()
            return False
        return True
