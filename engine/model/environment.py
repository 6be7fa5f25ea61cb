"""Which environment variables go where. Everything that is not named here stays behind: a variable may be a secret, and
neither a worker nor the agents' code is told any that it does not need."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

TAG = "CMBAGENT_ATTEMPT"  # whose process it is: a worker's tag, and behind a slash the number of a run of code

_PLAIN = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "TZ", "TERM", "USER", "LOGNAME", "SHELL", "CONDA_PREFIX", "VIRTUAL_ENV"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy"),
    }
)
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"})
_WORKER = frozenset({"HOME", "TMPDIR", "PYTHONPATH"})
_COMMAND = frozenset({"SSH_AUTH_SOCK", "KRB5CCNAME", "XDG_RUNTIME_DIR"})


def code_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the agents' code may see of ours; no home, no place for temporary files, no proxy that holds a password."""
    return {
        name: value
        for name, value in environ.items()
        if name in _PLAIN or name.startswith("LC_") or (name in _PROXIES and "@" not in value)
    }


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a worker may see. API keys come to it in its first frame, each to the attempt that needs it."""
    passed = {name: value for name, value in environ.items() if name in _WORKER or name in _PROXIES}
    return {**code_environment(environ), **passed}


def command_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a program that starts workers elsewhere (srun, ssh) may see: a worker's share, and what it logs in with."""
    passed = {name: value for name, value in environ.items() if name in _COMMAND or name.startswith("SLURM_")}
    return {**worker_environment(environ), **passed}


def worker_tag(attempt_id: str) -> str:
    """The tag of one worker: the attempt, and behind a point what tells it from others that carry the attempt on."""
    return f"{attempt_id}.{secrets.token_hex(4)}"


def private_directory(cwd: Path) -> Path:
    """Where code that works in `cwd` has its home and its temporary files: beside it, so that they are none of its
    files."""
    return cwd.parent / f".{cwd.name}.private"
