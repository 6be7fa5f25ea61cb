"""Whether a value is of the type that its field is declared with: rows hold whatever was put into them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints


def wrong_field(record: Any) -> str | None:
    """The name of the first field of a dataclass's instance that is not of its type, or None."""
    kind = cast(type[Any], type(record))
    hints = _hints(kind)
    return next((one.name for one in fields(record) if not fits(getattr(record, one.name), hints[one.name])), None)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, all that it holds included. An int is no bool, and no float."""
    if hint is Any:
        return True
    if hint is None or hint is NoneType:
        return value is None
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return any(fits(value, one) for one in inner)
    if origin is dict:
        items = cast(dict[Any, Any], value).items() if isinstance(value, dict) else None
        return items is not None and all(fits(key, inner[0]) and fits(item, inner[1]) for key, item in items)
    if origin is list or origin is tuple:
        return isinstance(value, origin) and all(fits(item, inner[0]) for item in cast(list[Any], value))
    if is_dataclass(hint):
        return isinstance(value, cast(type[Any], hint)) and wrong_field(value) is None
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint if hint in (int, str, bool) else isinstance(value, hint)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
