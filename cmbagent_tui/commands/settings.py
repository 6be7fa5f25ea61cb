"""The settings: listed with their sources, or one set in config.toml."""

from __future__ import annotations

from argparse import Namespace

from cmbagent_tui.commands.common import note, out, out_json
from cmbagent_tui.config_file import write_setting
from cmbagent_tui.known_settings import BY_NAME
from cmbagent_tui.settings import load
from cmbagent_tui.state.settings import Shown, shown
from engine.model.errors import UsageError


def settings(arguments: Namespace) -> int:
    """List every setting, its value and where that came from; or set one."""
    name: str | None = arguments.name
    if name is None:
        return _list(shown(load()), arguments.json)
    if name not in BY_NAME:
        raise UsageError(f"there is no setting {name!r}", f"There are: {', '.join(BY_NAME)}.")
    given: str | None = arguments.value
    if arguments.unset and given is not None:
        raise UsageError("either a value or --unset")
    if arguments.unset or given is not None:
        if name == "keys" and given is not None:
            raise UsageError("keys are a table", f"Write them into {load().file}, under [keys].")
        write_setting(load().file, name, None if given is None else BY_NAME[name].parse(given))
        note(BY_NAME[name].later)
    return _list([one for one in shown(load()) if one.setting.name == name], arguments.json)


def _list(rows: list[Shown], as_json: bool) -> int:
    if as_json:
        out_json(
            {
                "settings": [
                    {
                        "name": one.setting.name,
                        "value": one.value,
                        "source": one.source,
                        "default": one.setting.default,
                        "what": one.setting.what,
                    }
                    for one in rows
                ]
            }
        )
        return 0
    for one in rows:
        out(f"{one.setting.name:<16} {one.text or '-':<26} {one.source:<28} {one.setting.what}")
    return 0
