"""The program's own two themes. Textual's others can be chosen in the palette.

The dark backgrounds are nearly grey: in a terminal of 256 colours anything more saturated would fall on plain black,
and panels, borders and the cursor's row with it.
"""

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
    background="#121317",
    surface="#1b1c21",
    panel="#2c2e35",
    dark=True,
    variables={"border-blurred": "#43464f", "footer-background": "#1b1c21"},
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
