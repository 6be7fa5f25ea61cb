"""The settings as a person is shown them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cmbagent_tui.known_settings import SETTINGS, Setting
from cmbagent_tui.settings import Settings
from engine.model.modelref import KEYS, default_model
from engine.model.text import one_line

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting, its value (None: not set, and there is no default), and where that came from."""

    setting: Setting
    value: Any
    source: str

    @property
    def text(self) -> str:
        """The value as it is typed."""
        if isinstance(self.value, dict):
            if self.setting.name == "keys":
                return f"{len(self.value)} of your own"
            return ", ".join(f"{role}={one_line(str(name))}" for role, name in self.value.items())
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return "" if self.value is None else one_line(str(self.value))


def shown(settings: Settings) -> list[Shown]:
    """Every setting, in the order in which they are told of."""
    rows = list[Shown]()
    for one in SETTINGS:
        value: Any = settings.values.get(one.name)
        source = settings.sources.get(one.name, DEFAULT)
        if one.name == "keys":
            value = settings.keys or None
        elif one.name not in settings.values:
            value = one.parse(one.default) if one.default else None
            if one.name == "model" and (found := default_model(settings.environ)):
                value, source = found, _key_of(found, settings)
        rows.append(Shown(one, value, source))
    return rows


def _key_of(model: str, settings: Settings) -> str:
    """The variable for whose sake a model is the default."""
    provider = model.partition(":")[0]
    names = (*KEYS.get(provider, ()), "OPENAI_BASE_URL")
    return next((name for name in names if settings.environ.get(name)), DEFAULT)
