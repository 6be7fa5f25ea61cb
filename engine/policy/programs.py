"""Python programs, looked through for the commands that they start.

Only what stands in the program is seen: what it puts together while it runs is a doubt, and a program that means to
hide it can. What a program may really touch, the sandbox decides.
"""

from __future__ import annotations

import ast
import re
import unicodedata

from engine.policy.shell import Script, judge_argv, take_apart

_STARTS = frozenset(
    {
        "Popen", "call", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell", "getoutput",
        "getstatusoutput", "popen", "run", "system"
    }
)  # fmt: skip
_HIDDEN = frozenset(
    {
        "__builtins__", "__import__", "__subclasses__", "compile", "ctypes", "eval", "exec", "fork", "forkpty",
        "import_module", "pexpect", "posix_spawn", "posix_spawnp", "pty", "runpy", "spawn"
    }
)  # fmt: skip
# Without any of these a program starts nothing that can be seen, and need not be read as a whole.
_TRACES = re.compile(
    "subprocess|system|[pP]open|spawn|fork|exec|eval|compile|import_module|__import__|ctypes|pty|runpy|pexpect|"
    "__builtins__|__subclasses__|getoutput|getstatus|check_call"
)
_OURS = frozenset({"subprocess", "os", "asyncio"})


def commands_of(code: str) -> Script:
    """What a program starts, as far as it can be seen. One that is no Python starts nothing."""
    script = Script()
    if not _TRACES.search(unicodedata.normalize("NFKC", code)):
        return script
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return script
    starters = _starters(tree)
    called: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _starts(node.func, starters):
            called.add(node.func)
            _judge(node, script)
    for node in ast.walk(tree):
        name = _name(node)
        hidden = name in _HIDDEN or name.startswith(("exec", "spawn"))
        if node not in called and name and (hidden or _starts(node, starters)):
            script.doubts.append(f"the program uses {name}")
    return script


def _judge(call: ast.Call, script: Script) -> None:
    words = _literal(call.args[0]) if call.args else None
    if isinstance(words, str):
        found = take_apart(words)
        script.parts += found.parts
        script.files += found.files
        script.doubts += found.doubts
    elif words:
        judge_argv(tuple(words), script)
    else:
        script.doubts.append("the program starts what is only known when it runs")


def _literal(node: ast.expr) -> str | list[str] | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        words = [one.value for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return words if len(words) == len(node.elts) else None
    return None


def _starters(tree: ast.AST) -> dict[str, str]:
    """The names by which a program knows what starts others: modules, and functions that it imports from them."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.asname or one.name: one.name for one in node.names if one.name in _OURS}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in _OURS:
            names |= {one.asname or one.name: one.name for one in node.names}
            names |= {"*": "*"} if any(one.name == "*" for one in node.names) else {}
    return names


def _starts(node: ast.AST, starters: dict[str, str]) -> bool:
    """Whether an expression means a function that starts a program: `run` alone is a common word."""
    if isinstance(node, ast.Attribute):
        foreign = isinstance(node.value, ast.Name) and starters.get(node.value.id, "asyncio") == "asyncio"
        return node.attr in _STARTS and not (foreign and node.attr in ("run", "call"))
    if isinstance(node, ast.Name):
        return starters.get(node.id, node.id if "*" in starters else "") in _STARTS
    return False


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return node.name if isinstance(node, ast.alias) and node.name in _HIDDEN else ""
