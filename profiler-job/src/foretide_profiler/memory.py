"""What this process holds in memory that the kernel cannot take back: by this a container is killed at its limit.

Resident pages of programs and libraries are charged to the container that read them first, and dropped where memory
is short. They kill nobody, so they are left out. Pages of any other mapped file, as weights, would be read again at
each inference: they count. The kernel keeps one peak for all resident pages together, so what could be dropped is
taken from it whenever that peak has grown: no peak within an inference is missed.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

_PROCESS: Final = Path("/proc/self")


class HeldMemory:
    """The bytes held, now and at most; `note` is to be called when a phase with a peak of its own has ended.

    The peak is exact but for the libraries' pages that were first touched between the peak and the note (a few MB),
    and too large, by those of all libraries at most, where memory was so short that the kernel dropped them.
    """

    def __init__(self, process: Path = _PROCESS) -> None:
        self._process = process
        self._resident_peak = 0
        self._peak = 0

    def note(self) -> int:
        """Bytes held now."""
        status = _status(self._process)
        droppable = min(_code_bytes(self._process), status.get("RssFile", 0))
        held = status["VmRSS"] - droppable
        self._peak = max(self._peak, held)
        if status["VmHWM"] > self._resident_peak:
            self._resident_peak = status["VmHWM"]
            self._peak = max(self._peak, self._resident_peak - droppable)
        return held

    def peak_bytes(self) -> int:
        """The most bytes ever held in this process; unlike ru_maxrss it does not inherit the parent's peak."""
        self.note()
        return self._peak


def _status(process: Path) -> dict[str, int]:
    """The sizes in the process's status, in bytes."""
    sizes = {}
    for line in (process / "status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            sizes[name] = int(rest.split()[0]) * 1024
    if not {"VmRSS", "VmHWM"} <= sizes.keys():
        message = f"{process / 'status'} has no VmRSS and VmHWM; Linux with procfs is needed"
        raise OSError(message)
    return sizes


def _code_bytes(process: Path) -> int:
    """Resident and unchanged pages of the files that are executed; 0 where the kernel does not tell."""
    try:
        lines = (process / "smaps").read_text().splitlines()
    except OSError:
        return 0
    resident: dict[str, int] = defaultdict(int)
    executed: set[str] = set()
    file = ""
    for line in lines:
        key, _, rest = line.partition(" ")
        if not key.endswith(":"):  # the head of a mapping: addresses, permissions, offset, device, inode, path
            permissions, _, device, inode = rest.split(None, 4)[:4]
            file = f"{device} {inode}" if inode != "0" else ""
            if "x" in permissions:
                executed.add(file)
        elif key == "Rss:":
            resident[file] += int(rest.split()[0]) * 1024
        elif key == "Anonymous:":
            resident[file] -= int(rest.split()[0]) * 1024
    return sum(resident[file] for file in executed if file)
