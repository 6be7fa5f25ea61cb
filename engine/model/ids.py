"""Identifiers: UUIDv7, so that they sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return a new UUIDv7 as text, strictly greater than any that this process returned before.

    RFC 9562, section 6.2, method 3: the twelve bits behind the milliseconds carry sub-millisecond time, and a tie is
    broken by counting on, so that ids made in one burst keep their order.
    """
    global _last
    with _lock:
        now = time.time_ns()
        stamp = (now // 1_000_000 << 12) | ((now % 1_000_000) * 4096 // 1_000_000)
        _last = stamp = max(stamp, _last + 1)
    value = (stamp >> 12 << 80) | (0x7 << 76) | ((stamp & 0xFFF) << 64) | (0b10 << 62)
    return str(uuid.UUID(int=value | (int.from_bytes(os.urandom(8), "big") >> 2)))


def short(identifier: str) -> str:
    """The end of an id, for people to read: the start of a UUIDv7 is a date, alike for all ids of one day."""
    return identifier.replace("-", "")[-8:]
