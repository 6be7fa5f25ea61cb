"""Which keys there are: read from the bindings of the app, its screens and its widgets.

A binding is known by its id, `place.action`. Reading them all imports every screen, so nothing does it before the first
paint.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from textual.binding import Binding
from textual.keys import format_key
from textual.screen import ModalScreen

from cmbagent_tui.keymap.places import rank, title_of

_ARROWS = {"up", "down", "left", "right", "enter", "backspace", "escape"}


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be done by key. `keys` are Textual's names, as config.toml takes them."""

    id: str
    place: str
    keys: tuple[str, ...]
    default: tuple[str, ...]
    what: str

    @property
    def where(self) -> str:
        """The place in words."""
        return title_of(self.place)

    @property
    def written(self) -> str:
        """The keys as a person reads them: `down j`, `?`, `ctrl+p`."""
        return " ".join(plain(one) for one in self.keys)


@dataclass(frozen=True, slots=True)
class Namespace:
    """The bindings that a key is looked up in together: those of one class and its bases. A dialog hides the app's."""

    name: str
    modal: bool
    ids: tuple[str, ...]


def plain(key: str) -> str:
    """A key's name in ASCII, as it is printed on the key."""
    *held, last = key.split("+")
    name = {"escape": "esc"}.get(last, last) if last in _ARROWS else format_key(last)
    return "+".join([*held, name if name.isascii() else last])


def split(keys: str) -> tuple[str, ...]:
    """The keys of a binding: `down,j` is two."""
    return tuple(one.strip() for one in keys.split(",") if one.strip())


def every_key(keymap: Mapping[str, str] | None = None) -> list[Key]:
    """Every key of the program by place, under a keymap (id to keys)."""
    changed = keymap or {}
    found: dict[str, Key] = {}
    for _, binding in _bindings():
        if binding.id not in found:
            assert binding.id is not None
            default = split(binding.key)
            keys = split(changed[binding.id]) if binding.id in changed else default
            place = binding.id.partition(".")[0]
            found[binding.id] = Key(binding.id, place, keys, default, binding.tooltip or binding.description)
    return sorted(found.values(), key=lambda one: rank(one.place))  # stable: within a place as it is bound


def namespaces() -> list[Namespace]:
    """The classes that have bindings, each with all that it binds."""
    by_class = dict[type[Any], list[str]]()
    for owner, binding in _bindings():
        by_class.setdefault(owner, []).append(str(binding.id))
    found: list[Namespace] = []
    for owner in by_class:
        ids = tuple(one for base in owner.__mro__ for one in by_class.get(base, ()))
        found.append(Namespace(owner.__name__, issubclass(owner, ModalScreen), ids))
    return found


@cache
def _bindings() -> tuple[tuple[type[Any], Binding], ...]:
    return tuple((owner, one) for owner in owners() for one in owner.__dict__["BINDINGS"] if _has_id(one))


def owners() -> Iterator[type[Any]]:
    """The app, and the screens and widgets that have bindings."""
    from cmbagent_tui import screens, widgets
    from cmbagent_tui.app import CockpitApp

    yield CockpitApp
    for package in (screens, widgets):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = import_module(info.name)
            for one in vars(module).values():
                mine = isinstance(one, type) and one.__module__ == info.name
                if mine and any(_has_id(binding) for binding in one.__dict__.get("BINDINGS", ())):
                    yield one


def _has_id(binding: object) -> bool:
    return isinstance(binding, Binding) and bool(binding.id)
