"""The operator's requests that change something, as the API server's audit log tells of them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Final

_VERBS: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class WriteLog:
    """Reads on where it left off; the API server may have begun a new file meanwhile."""

    def __init__(self, audit_log: Path, user: str) -> None:
        self._log = audit_log
        self._user = user
        self._read: dict[int, int] = {}
        self.counts: Counter[str] = Counter()
        """By what was done, as ``create jobs``."""
        self.times: list[float] = []
        """When each was received, in seconds since the epoch."""

    def read(self) -> int:
        """Take in what was written since; gives how many writes there have been."""
        for path in [*sorted(self._log.parent.glob(f"{self._log.stem}-*{self._log.suffix}")), self._log]:
            with path.open("rb") as file:
                number = path.stat().st_ino
                file.seek(self._read.get(number, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # it is being written
                    self._read[number] = self._read.get(number, 0) + len(line)
                    if self._user.encode() in line:
                        self._note(json.loads(line))
        return len(self.times)

    def last_seconds(self, since: float) -> float:
        """Seconds from ``since`` to the last write after it; 0 if there was none."""
        return max((moment - since for moment in self.times if moment >= since), default=0.0)

    def _note(self, event: dict[str, Any]) -> None:
        if event["user"]["username"] != self._user or event["verb"] not in _VERBS:
            return
        target = event["objectRef"]
        what = "/".join(filter(None, (target["resource"], target.get("subresource"))))
        self.counts[f"{event['verb']} {what}"] += 1
        self.times.append(datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp())
