"""Compares files by what they say: hashes first, then numbers, pixels and texts within a stated tolerance.

`trees` puts two trees beside each other; `files` has the files that differ looked into by a process of their own
(`looks`), since a model's program wrote them.
"""

from engine.compare.looks.base import ATOL, MEAN, PART, RTOL, SIDE

__all__ = ["ATOL", "MEAN", "PART", "RTOL", "SIDE", "TOLERANCE"]

TOLERANCE = {"rtol": RTOL, "atol": ATOL, "picture_mean": MEAN, "picture_part": PART}
