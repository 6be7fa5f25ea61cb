"""Which row between two layers each horizontal line gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 6  # rows between two layers; beyond that lines share rows


@dataclass(slots=True)
class Net:
    """Links of one gap that share a horizontal line, from column `left` to column `right`."""

    number: int
    tops: set[int]
    bottoms: set[int]
    left: int = 0
    right: int = 0
    track: int = 0

    def __post_init__(self) -> None:
        ends = self.tops | self.bottoms
        self.left, self.right = min(ends), max(ends)


def give_tracks(nets: Sequence[Net]) -> int:
    """Give every net a row of its own where two would touch; return the number of rows.

    A net that comes down in a column where another goes on must lie above it, or the two would read as one line; where
    such wishes form a ring, one of them is given up.
    """
    if len(nets) < 2:
        return 1
    at_top: dict[int, list[int]] = {}
    for place, net in enumerate(nets):
        for column in net.tops:
            at_top.setdefault(column, []).append(place)
    over = [
        {other for x in net.bottoms for other in at_top.get(x, ()) if other != place} for place, net in enumerate(nets)
    ]
    done: set[int] = set()
    rows: list[list[tuple[int, int]]] = []  # what is taken of each row
    left = sorted(range(len(nets)), key=lambda place: (nets[place].left, nets[place].right))
    while left:
        ready = next((place for place in left if over[place] <= done), left[0])
        left.remove(ready)
        net = nets[ready]
        track = max((nets[above].track + 1 for above in over[ready] & done), default=0)
        while track < len(rows) and any(a <= net.right and net.left <= b for a, b in rows[track]):
            track += 1
        net.track = min(track, MOST - 1)
        while len(rows) <= net.track:
            rows.append([])
        rows[net.track].append((net.left, net.right))
        done.add(ready)
    return max(1, len(rows))
