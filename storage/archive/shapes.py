"""Whether a value is of the type that its field is declared with: rows hold whatever was put into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeAlias, cast, get_args, get_origin, get_type_hints

Check: TypeAlias = Callable[[Any], bool]


def wrong_field(record: Any) -> str | None:
    """The name of the first field of a dataclass's instance that is not of its type, or None."""
    for name, check in _fields(cast(type[Any], type(record))):
        if not check(getattr(record, name)):
            return name
    return None


@cache
def check_of(hint: Any) -> Check:
    """Tells whether a value is of a type, all that it holds included. An int is no bool; it may stand for a float."""
    origin, inner = get_origin(hint), [check_of(one) for one in get_args(hint) if one is not Ellipsis]
    if origin is UnionType:
        return lambda value: any(check(value) for check in inner)
    if origin is dict:
        return _dict(*inner)
    if origin is list or origin is tuple:
        return _row(origin, *inner)
    return _PLAIN[hint] if hint in _PLAIN else _instance(hint)


def _dict(of_key: Check, of_item: Check) -> Check:
    def check(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        return all(of_key(key) and of_item(item) for key, item in cast(dict[Any, Any], value).items())

    return check


def _row(kind: type, of_item: Check) -> Check:
    return lambda value: isinstance(value, kind) and all(map(of_item, cast(list[Any], value)))


def _instance(kind: type[Any]) -> Check:
    if is_dataclass(kind):
        return lambda value: isinstance(value, kind) and wrong_field(value) is None
    return lambda value: isinstance(value, kind)


@cache
def _fields(kind: type[Any]) -> list[tuple[str, Check]]:
    hints = get_type_hints(kind)
    return [(one.name, check_of(hints[one.name])) for one in fields(kind)]


_PLAIN: dict[Any, Check] = {
    Any: lambda value: True,
    NoneType: lambda value: value is None,
    str: lambda value: type(value) is str,
    int: lambda value: type(value) is int,
    bool: lambda value: type(value) is bool,
    float: lambda value: type(value) in (float, int),
}
