"""A buffer for output of any length: the beginning and the end are kept, what lies between is counted."""

from __future__ import annotations

from collections import deque


class HeadTail:
    """Keeps `head` bytes from the beginning and `tail` bytes from the end of what it is fed."""

    def __init__(self, head: int, tail: int) -> None:
        self._head_limit, self._tail_limit = head, tail
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._in_tail = 0
        self.total = 0

    def feed(self, data: bytes) -> bytes:
        """Take more bytes; return those of them that are part of the beginning."""
        self.total += len(data)
        room = self._head_limit - len(self._head)
        first, rest = data[:room], data[room:]
        self._head += first
        if rest:
            self._tail.append(rest)
            self._in_tail += len(rest)
            while self._in_tail - len(self._tail[0]) >= self._tail_limit:
                self._in_tail -= len(self._tail.popleft())
        return first

    @property
    def dropped(self) -> int:
        """How many bytes are not kept."""
        return max(0, self.total - self._head_limit - self._tail_limit)

    def text(self) -> str:
        """What is kept, decoded, undecodable bytes replaced; where something is missing, it says how much."""
        tail = b"".join(self._tail)
        if not self.dropped:
            return (bytes(self._head) + tail).decode("utf-8", errors="replace")
        end = tail[len(tail) - self._tail_limit :]
        between = f"\n… [{self.dropped:,} bytes left out] …\n"
        return self._head.decode("utf-8", errors="replace") + between + end.decode("utf-8", errors="replace")
