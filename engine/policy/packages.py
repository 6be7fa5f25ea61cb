"""Packages that a command installs."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNKNOWN = "?"  # a package whose name the command does not say: a file, an address, a list of requirements

_INSTALLERS = frozenset(
    {
        "apk", "apt", "apt-get", "brew", "cargo", "conda", "dnf", "easy_install", "gem", "mamba", "micromamba", "npm",
        "pip", "pip3", "pipx", "pnpm", "uv", "yarn", "yum"
    }
)  # fmt: skip
_VERBS = frozenset({"install", "add", "i"})
_VALUED = frozenset(
    {"-i", "--index-url", "--extra-index-url", "-t", "--target", "--prefix", "-c", "-n", "-p", "--python"}
)


def named(package: str) -> str:
    """A package's name as all ways of writing it have it: without version, extras, case and sort of dash."""
    name = re.split(r"[\[<>=!~;@ ]", package.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def packages_of(argv: Sequence[str]) -> tuple[str, ...]:
    """What a command installs; nothing for most commands."""
    words = [argv[0].rpartition("/")[2], *argv[1:]] if argv else []
    if len(words) > 2 and re.fullmatch(r"python[0-9.]*|py", words[0]) and "-m" in words:
        words = words[words.index("-m") + 1 :]
    if not words or re.sub(r"[0-9.]+$", "", words[0]) not in _INSTALLERS | {"pip"}:
        return ()
    at = next((at for at, word in enumerate(words) if at and word in _VERBS), None)
    if at is None:
        return ()
    found: list[str] = []
    rest = iter(words[at + 1 :])
    for word in rest:
        if word in ("-r", "--requirement", "-e", "--editable") or re.match(r"-r.|--(requirement|editable)=", word):
            found.append(UNKNOWN)
        elif word in _VALUED:
            next(rest, None)
        elif not word.startswith("-"):
            local = "/" in word or ":" in word or word.endswith((".whl", ".gz", ".zip")) or word == "."
            found.append(UNKNOWN if local and not word.startswith("@") else named(word))
    return tuple(found) or (UNKNOWN,)
