"""Start the cluster's processes, find them again from anywhere, and end them and no others.

Each carries a *mark* in its environment, `FORETIDE_DEVCLUSTER=<cluster>/<component>`. The kernel keeps it for as long
as the process lives and gives it to its children (a containerd's shims), so there are no pid files to go stale: whoever
comes after a kill -9 finds exactly what is left. Signals go through a pidfd, after the mark was read, so that a number
that was given to another process in between is never hit.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "FORETIDE_DEVCLUSTER"
_PROC = Path("/proc")
_FAVOURED = "-10"
_LOOKS_AGAIN_SECONDS = (0.02, 0.1, 0.3)
_children: list[subprocess.Popen[bytes]] = []
_reaping = threading.Lock()


@dataclass(frozen=True)
class Marked:
    """A living process of a cluster; `component` is for example `etcd` or `edge-1/kubelet`."""

    pid: int
    cluster: str
    component: str


def spawn(
    argv: Sequence[str | Path],
    *,
    cluster: str,
    component: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    pass_descriptors: Sequence[int] = (),
) -> int:
    """Start a process in a session of its own, out of reach of Ctrl-C, and return its pid; its output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    base = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "SSL_CERT_FILE"}}
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**base, **(environment or {}), MARK: f"{cluster}/{component}"},
            start_new_session=True,
            pass_fds=tuple(pass_descriptors),
        )
    with _reaping:
        _children.append(child)
    return child.pid


def favour(pid: int) -> None:
    """Let a process in a session of its own, and its children there, have the CPU before others when they want it.

    The kernel weighs sessions, not processes (`sched_autogroup`), so that niceness alone would do nothing. Where it
    does not, or refuses, all weigh alike.
    """
    with contextlib.suppress(OSError):
        (_PROC / str(pid) / "autogroup").write_text(_FAVOURED)


def read_mark(environ: bytes) -> tuple[str, str] | None:
    """Return (cluster, component) from the bytes of `/proc/PID/environ`, None where there is no mark."""
    prefix = MARK.encode() + b"="
    for entry in environ.split(b"\0"):
        if entry.startswith(prefix):
            cluster, _, component = entry[len(prefix) :].decode(errors="replace").partition("/")
            return cluster, component
    return None


def find(cluster: str | None = None, component: str = "") -> list[Marked]:
    """Return the living processes of a cluster (of all, where None) whose component begins with `component`."""
    found: list[Marked] = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        marked = _marked(int(entry.name))
        if marked and cluster in {None, marked.cluster} and marked.component.startswith(component):
            found.append(marked)
    return found


def alive(cluster: str, component: str) -> bool:
    """Say whether the component runs; a no is asked again.

    A process that replaces itself by another program (`exec`) has no environment to read for a moment.
    """
    for wait_seconds in (0.0, *_LOOKS_AGAIN_SECONDS):
        time.sleep(wait_seconds)
        if any(process.component == component for process in find(cluster, component)):
            return True
    return False


def kill(processes: Iterable[Marked]) -> None:
    """Send SIGKILL to processes that still carry the mark they were found by."""
    for process in processes:
        _send(process, signal.SIGKILL)


@contextlib.contextmanager
def frozen(processes: Sequence[Marked]) -> Iterator[None]:
    """Stop processes while the block lasts, as if they hung; who ended meanwhile stays so."""
    for process in processes:
        _send(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            _send(process, signal.SIGCONT)


def signal_pids(pids: Callable[[], set[int]], number: signal.Signals) -> int:
    """Send a signal to the processes that `pids` names now (the tasks of a cgroup); return how many got it."""
    reached = 0
    for pid in pids():
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if pid in pids():
                    signal.pidfd_send_signal(descriptor, number)
                    reached += 1
            finally:
                os.close(descriptor)
    return reached


def exhaust(kill_remaining: Callable[[], bool], timeout_seconds: float) -> bool:
    """Call `kill_remaining` until it says that nothing is left; False when the time is over."""
    end = time.monotonic() + timeout_seconds
    while True:
        done = kill_remaining()
        reap()
        if done:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)


def reap() -> None:
    """Collect the exit status of children of this process that have ended."""
    with _reaping:
        _children[:] = [child for child in _children if child.poll() is None]


@atexit.register
def _disown() -> None:
    """Let go of the children when this process ends: those that live on do so on purpose."""
    reap()
    for child in _children:
        child.returncode = 0


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _send(process: Marked, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if _marked(process.pid) == process:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _marked(pid: int) -> Marked | None:
    try:
        mark = read_mark((_PROC / str(pid) / "environ").read_bytes())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return Marked(pid, *mark) if mark else None
