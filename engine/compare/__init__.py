"""Compares files by what they say: hashes first, then numbers, pixels and texts within a stated tolerance.

`trees` puts two trees beside each other; `files` has the files that differ looked into by a process of their own
(`looks`), since a model's program wrote them.
"""
