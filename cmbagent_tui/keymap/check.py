"""A person's own keys, looked over: what is unknown, never arrives, or is meant for two things at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from cmbagent_tui.keymap.catalogue import Key, every_key, namespaces, plain, split
from cmbagent_tui.keymap.places import APP, around

_EATEN = {
    "ctrl+h": "backspace",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+left_square_bracket": "escape",
    "ctrl+[": "escape",
    "ctrl+j": "a line feed",
    "ctrl+s": "a stop of all output",
}
_HELD = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
_KNOWN = {one.value for one in Keys if "<" not in one.value} | set(KEY_NAME_REPLACEMENTS.values())


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an entry of the keymap is not taken."""

    id: str
    words: str

    def __str__(self) -> str:
        return f"keys.{self.id}: {self.words}"


def checked(keymap: Mapping[str, str]) -> tuple[dict[str, str], list[Fault]]:
    """The entries that can be taken, with every key's name as Textual has it, and why the others cannot.

    An entry that clashes is left out: what it would have changed keeps its key.
    """
    known = {key.id for key in every_key()}
    taken: dict[str, str] = {}
    faults: list[Fault] = []
    for name, keys in keymap.items():
        names = tuple(map(_named, split(keys)))
        if name not in known:
            near = get_close_matches(name, known, 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            faults.append(Fault(name, f"there is no such id.{meant} `cmbagent-tui keys` lists them."))
        elif wrong := next(_unusable(names), "" if names else "no key is given."):
            faults.append(Fault(name, wrong))
        else:
            taken[name] = ",".join(names)
    while (clash := _clash(taken)) is not None:
        faults.append(clash)
        del taken[clash.id]
    return taken, faults


def _named(key: str) -> str:
    *held, last = key.split("+") if len(key) > 1 else (key,)
    if len(last) == 1 and not last.isalnum():
        name = unicodedata.name(last, last).lower().replace("-", "_").replace(" ", "_")
        last = KEY_NAME_REPLACEMENTS.get(name, name)
    return "+".join([*held, last])


def _unusable(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        *held, last = name.split("+")
        if name in _EATEN:
            yield f"{name} never arrives: terminals turn it into {_EATEN[name]}."
        elif not set(held) <= _HELD or not (len(last) == 1 or last in _KNOWN or _is_character(last)):
            yield f"{name!r} is no key. Keys are named like x, X, ctrl+x, f5, escape, question_mark."


def _is_character(name: str) -> bool:
    try:
        unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return True


def _clash(keymap: Mapping[str, str]) -> Fault | None:
    """The first entry whose key does something else already, where it counts or around there."""
    keys = {one.id: one for one in every_key(keymap)}
    seen = [space for space in namespaces() if any(one in keymap for one in space.ids)]
    for entry in reversed(list(keymap)):
        mine = keys[entry]
        for other in keys.values():
            both = set(mine.keys) & set(other.keys) - (set(mine.default) & set(other.default))
            if other.id == entry or not both:
                continue
            key = plain(min(both))
            if any(entry in space.ids and other.id in space.ids for space in seen):
                return Fault(entry, f"{key} already is {other.id} ({_said(other)}).")
            if other.place in _around(mine):
                return Fault(entry, f"{key} would hide {other.id} ({_said(other)}).")
            if mine.place in _around(other):
                return Fault(entry, f"{key} would be hidden by {other.id} ({_said(other)}).")
    return None


def _said(key: Key) -> str:
    return key.what[:1].lower() + key.what[1:]


def _around(key: Key) -> tuple[str, ...]:
    """The places whose keys this one's may hide."""
    if key.place == APP or any(space.modal and key.id in space.ids for space in namespaces()):
        return ()
    return (*around(key.place), APP)
