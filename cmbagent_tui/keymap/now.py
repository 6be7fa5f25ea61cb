"""Which key does something now, for the sentences that name one: a person may have put another in its place."""

from __future__ import annotations

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode

from cmbagent_tui.keymap.catalogue import split


def key_now(node: DOMNode, binding_id: str) -> str:
    """The first key of a binding of the app, of a screen that is open, or of a widget around `node`, as it is shown.

    Raises:
        KeyError: none of them has such a binding.
    """
    app: App[object] = node.app
    for owner in (*node.ancestors_with_self, *reversed(app.screen_stack), app):
        for base in type(owner).__mro__:
            for one in base.__dict__.get("BINDINGS", ()):
                if isinstance(one, Binding) and one.id == binding_id:
                    keys = getattr(app, "keymap", {}).get(binding_id, one.key)
                    return app.get_key_display(Binding(split(keys)[0], ""))
    raise KeyError(binding_id)
