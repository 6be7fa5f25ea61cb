"""Commands that run other commands, and how to tell which."""

from __future__ import annotations

import re

# Of each: the short options that take a value, and how many words stand before the command.
_PLAIN: dict[str, tuple[str, int]] = {
    "sudo": ("CDgpRrtTuU", 0),
    "doas": ("Cu", 0),
    "env": ("uC", 0),
    "nice": ("n", 0),
    "ionice": ("cn", 0),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "stdbuf": ("ioe", 0),
    "timeout": ("ks", 1),
    "time": ("fo", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "exec": ("a", 0),
    "busybox": ("", 0),
    "toybox": ("", 0),
    "unbuffer": ("", 0),
}
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "rbash", "csh", "tcsh"})
# What these run is mixed with what they are given, or goes on elsewhere.
_OPAQUE = frozenset(
    {
        "apptainer", "at", "awk", "batch", "bwrap", "chroot", "chrt", "docker", "ed", "expect", "find", "firejail",
        "flock", "gawk", "gdb", "git", "ltrace", "make", "mawk", "mpiexec", "mpirun", "nsenter", "parallel", "pkexec",
        "podman", "proxychains", "rlwrap", "rsync", "runuser", "sbatch", "screen", "script", "sed", "singularity",
        "srun", "ssh", "start-stop-daemon", "strace", "su", "systemd-run", "tar", "taskset", "tmux", "torify", "trap",
        "unshare", "vi", "vim", "watch", "xargs"
    }
)  # fmt: skip
WRAPPERS = frozenset({*_PLAIN, *_SHELLS, *_OPAQUE, "eval"})
RENAMING = frozenset(
    {
        ".", "alias", "bind", "declare", "enable", "export", "hash", "local", "readonly", "set", "shopt", "source",
        "trap", "typeset", "unalias", "unset"
    }
)  # fmt: skip
# Opaque only when they are given one of these.
_RUNS_BY: dict[str, re.Pattern[str]] = {
    "find": re.compile(r"-(exec|execdir|ok|okdir|delete|fprint\w*|fls)"),
    "git": re.compile(r"-c.*|--exec.*|--upload-pack.*|--receive-pack.*|.*alias\..*|-(x|-config-env).*|ext::.*|.*!.*"),
    "tar": re.compile(r"--(to-command|checkpoint-action|use-compress-program|rsh-command|info-script).*|-[^-]*[IF].*"),
    "sed": re.compile(r".*[ewW].*"),
    "make": re.compile(r".*"),
}


def inner_of(name: str, words: list[str]) -> int | str | None:
    """Where among its words the command begins that `name` runs (behind the last: it runs none), or the script that it
    runs; None when that cannot be said."""
    if name in _SHELLS:
        return _script_of(words)
    if name not in _PLAIN:
        runs_by = _RUNS_BY.get(name)
        if runs_by is None or any(runs_by.fullmatch(word) for word in words):
            return None
        return len(words)
    valued, before = _PLAIN[name]
    at = 0
    while at < len(words):
        word = words[at]
        if name == "env" and re.match(r"[A-Za-z_]\w*=", word):
            return None
        if word == "--":
            at += 1
            break
        if not word.startswith("-") or word == "-":
            break
        if word.startswith("--"):
            return None
        at += 2 if word[-1] in valued and len(word) == 2 else 1
        if any(letter in valued for letter in word[1:-1]) and len(word) > 2 and word[1] not in valued:
            return None
        if name == "env" and "S" in word:
            return None
    return at + before


def _script_of(words: list[str]) -> int | str | None:
    """A shell's script where it is given as one; a file that a shell reads is judged by its name alone."""
    for at, word in enumerate(words):
        if not word.startswith("-") or word in ("-", "--"):
            return len(words) if word not in ("-", "--") else None
        if re.fullmatch(r"-[a-z]*c[a-z]*", word):
            return words[at + 1] if len(words) == at + 2 else None
        if not re.fullmatch(r"-[elux]+", word):
            return None
    return None
