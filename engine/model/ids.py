"""Identifiers: UUIDv7, so that they sort by the time they were made."""

from __future__ import annotations

import os
import random
import threading
import time

_lock = threading.Lock()
_last = 0
_random = random.Random()  # asked without giving up the interpreter, which a call to the kernel would
os.register_at_fork(after_in_child=_random.seed)  # else parent and child would go on alike


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
    value = (stamp >> 12 << 80) | (0x7 << 76) | ((stamp & 0xFFF) << 64) | (0b10 << 62) | _random.getrandbits(62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def short(identifier: str) -> str:
    """The end of an id, for people to read: the start of a UUIDv7 is a date, alike for all ids of one day."""
    return identifier.replace("-", "")[-8:]
