"""Runs the assertions of a `python` check."""

from __future__ import annotations

import ast
import linecache
import sys
from typing import Any

from engine.worker.probe.base import show

NAME = "<check>"


def run_assertions(code: str) -> tuple[bool, str]:
    """Run the code to its end; when an assertion fails, say which, with the plain values of the names in it."""
    linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)
    try:
        exec(compile(code, NAME, "exec", dont_inherit=True, optimize=0), {"__name__": "__main__"})
    except SystemExit as error:
        return False, f"the check left by sys.exit({error.code!r}) before its end"
    except ImportError as error:
        return False, f"it cannot be carried out by {sys.executable}: {error}"
    except SyntaxError as error:
        return False, f"the check is not Python: {error}"
    except BaseException as error:
        return False, _blame(error, code)
    return True, "it ran to its end, and every assertion held"


def _blame(error: BaseException, code: str) -> str:
    said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    trace, frame, line = error.__traceback__, None, 0
    while trace:
        if trace.tb_frame.f_code.co_filename == NAME:
            frame, line = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    if frame is None:
        return said
    known: dict[str, Any] = {**frame.f_globals, **frame.f_locals}
    around = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    used = sorted({node.id for node in ast.walk(around[-1]) if isinstance(node, ast.Name)} & set(known))
    values = [f"{name} = {_plain(known[name])}" for name in used if _plain(known[name])]
    where = f"line {line}: {linecache.getline(NAME, line).strip()}"
    return where + (f": {said}" if said else "") + (f" ({', '.join(values)})" if values else "")


def _plain(value: Any) -> str:
    """A number or text; numpy's numbers too, which are no numbers to `isinstance`."""
    if isinstance(value, (int, float, str)):
        return show(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        return str(value)
    return ""
