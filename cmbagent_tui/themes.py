"""The program's own two themes. Textual's others can be chosen in the palette."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="cmbagent-dark",
    primary="#7aa2f7",
    secondary="#9d7cd8",
    accent="#ff9e64",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#c8d0e8",
    background="#11131c",
    surface="#171a26",
    panel="#222738",
    dark=True,
    variables={"border-blurred": "#2b3147", "footer-background": "#171a26"},
)
LIGHT = Theme(
    name="cmbagent-light",
    primary="#2e5cb8",
    secondary="#7847bd",
    accent="#b15c00",
    warning="#8f5e15",
    error="#c02440",
    success="#3d7a1f",
    foreground="#2b3044",
    background="#f4f5f9",
    surface="#ffffff",
    panel="#e3e6ef",
    dark=False,
    variables={"border-blurred": "#c8cddc", "footer-background": "#e3e6ef"},
)
