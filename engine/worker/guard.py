"""Keeps watch over one process and ends everything that comes of it.

Killing a process group leaves those alive who made a session of their own or were forked twice. So every tree of
foreign code hangs under a process that adopts orphans: whatever loses its parent becomes its child, and is found and
killed when the tree's root has ended. Such a guard runs nothing but this file, so it cannot hang with the code that it
watches, and it notices by the end of a connection, not by a signal, when the one that it works for is gone.

Run as a program (see `main`) it guards one command. It starts once per command, so it imports next to nothing: neither
`signal` nor `typing` (each costs more than the rest), nothing of ours.
"""

# pathlib and contextlib take longer to import than everything here to run.
# ruff: noqa: PTH112, PTH123, PTH208, SIM105

from __future__ import annotations

import os
import select
import sys
import time

TERM, KILL = 15, 9  # signal numbers are the same on every system that this runs on
_SET_DEATH_SIGNAL, _SET_ADOPTION = 1, 36  # prctl options
_ROUND = 0.002  # seconds between two rounds of killing


def adopt_orphans() -> None:
    """Make this process the one that orphaned descendants fall to (Linux)."""
    _prctl(_SET_ADOPTION, 1)


def die_with(parent: int, signal: int = KILL) -> None:
    """Have the kernel send this process a signal when the thread that forked it ends (Linux); exit when `parent` is
    gone already."""
    _prctl(_SET_DEATH_SIGNAL, signal)
    if os.getppid() != parent:
        os._exit(128 + signal)


def _default_signals() -> None:
    """Undo what Python ignores: a command shall end by a closed pipe and by a file that grows past its ceiling."""
    import ctypes

    for signal in (13, 25):  # SIGPIPE, SIGXFSZ
        ctypes.CDLL(None).signal(signal, None)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def children(pid: int) -> list[int]:
    """The living and unreaped children of a process; empty where there is no /proc."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        return found if found or not os.path.isdir(f"/proc/{pid}") else _children_by_search(pid)
    return found


def _children_by_search(parent: int) -> list[int]:
    """The same for a kernel that keeps no lists of children."""
    found: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == parent:
                        found.append(int(name))
            except (OSError, ValueError, IndexError):
                continue
    return found


def family(pid: int) -> list[int]:
    """A process and all its descendants, parents first."""
    found = [pid]
    for one in found:
        found += [child for child in children(one) if child not in found]
    return found


def kill(pid: int, signal: int) -> None:
    """Send a signal to a process, whether or not it is still there."""
    try:
        os.kill(pid, signal)
    except (ProcessLookupError, PermissionError):
        pass


def kill_group(leader: int, signal: int) -> None:
    """Send a signal to the group of a process that has, or is about to have, a session of its own."""
    try:
        os.killpg(leader, signal)
    except (ProcessLookupError, PermissionError):
        kill(leader, signal)


def sweep(spared: set[int], patience: float = 1.0) -> bool:
    """Kill and reap every descendant of this process but the spared children's families.

    Returns whether none is left; what cannot be killed within `patience` (seconds) is stuck in the kernel.
    """
    deadline = time.monotonic() + patience
    while True:
        strays = [child for child in children(os.getpid()) if child not in spared]
        for stray in strays:
            for pid in reversed(family(stray)):
                kill(pid, KILL)
        for stray in strays:
            try:
                os.waitpid(stray, os.WNOHANG)
            except ChildProcessError:
                pass
        if not strays:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_ROUND)


def watch(root: int, control: int, *, grace: float, talks: bool) -> int:
    """Wait until `root`, a child and the leader of its session, has ended; return its wait status.

    It and all its descendants are gone then. When the other end of `control` closes, they are killed at once. When
    `control` talks to nobody but this process, its other end may also close for writing alone: that asks for TERM, then
    KILL after `grace` (seconds).
    """
    poller = select.poll()
    poller.register(control, select.POLLIN if talks else 0)
    ended = _end_of(root)
    if ended is not None:
        poller.register(ended, select.POLLIN)
    deadline: float | None = None
    while True:
        pid, status = os.waitpid(root, os.WNOHANG)
        if pid:
            break
        wait = None if ended is not None else 0.02
        if deadline is not None:
            left = max(deadline - time.monotonic(), 0.0)
            if left == 0.0:
                kill_group(root, KILL)
                left = 0.1
            wait = left if wait is None else min(left, wait)
        for descriptor, happened in poller.poll(None if wait is None else wait * 1000 + 1):
            if descriptor != control:
                continue
            if happened & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                poller.unregister(control)
                deadline = time.monotonic()
            elif not os.read(control, 64):
                poller.modify(control, 0)
                kill_group(root, TERM)
                deadline = time.monotonic() + grace
    kill_group(root, KILL)
    sweep(set())
    return status


def _end_of(pid: int) -> int | None:
    """A descriptor that becomes readable when the process has ended, where there is such a thing."""
    if sys.platform == "linux":
        try:
            return os.pidfd_open(pid)
        except OSError:
            return None
    return None


def _run(argv: list[str], ceilings: str, control: int) -> None:
    """Become the command: in a session of its own, under limits, bound to the guard's life."""
    import resource

    guard = os.getppid()
    os.setsid()
    die_with(guard)
    _default_signals()
    for ceiling in filter(None, ceilings.split(",")):
        name, _, value = ceiling.partition("=")
        limit = getattr(resource, f"RLIMIT_{name}", None)
        if limit is not None:
            hard = resource.getrlimit(limit)[1]
            most = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
            try:
                resource.setrlimit(limit, (most, most))
            except (OSError, ValueError) as error:
                os.write(control, f"error {getattr(error, 'errno', None) or 22} {name}\n".encode())
                os._exit(126)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(control, f"error {error.errno} {argv[0]}\n".encode(errors="surrogateescape"))
        os._exit(127)


def main() -> None:
    """Guard one command: `CONTROL GRACE LIMITS COMMAND [ARGUMENT …]`.

    CONTROL is a socket's descriptor, over which one line is said: `exit N`, `signal N` or `error ERRNO NAME`; GRACE is
    in seconds; LIMITS is `NAME=VALUE,…` with the names of `resource.RLIMIT_*`.
    """
    control, grace, ceilings, argv = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:]
    os.set_inheritable(control, False)
    adopt_orphans()
    root = os.fork()
    if root == 0:
        _run(argv, ceilings, control)
    for descriptor in (0, 1, 2):  # so that the end of the output is seen when the command's own ends are closed
        os.close(descriptor)
    status = watch(root, control, grace=grace, talks=True)
    said = f"signal {os.WTERMSIG(status)}\n" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}\n"
    try:
        os.write(control, said.encode())
    except OSError:
        pass
    os._exit(0)
