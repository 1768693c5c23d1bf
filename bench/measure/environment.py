"""The document beside the data set: what its rows were measured on, and what was left out or failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.machine import machine
from bench.measure.campaign import PROFILING, Progress
from bench.measure.rows import TASK_INFERENCES
from bench.measure.settings import SEED
from devcluster.spec import NodeClass
from foretide.results import ProbeResult


class OtherMachineError(RuntimeError):
    """The rows that are there were measured on other hardware, or on classes described otherwise."""

    reason: Final = "OtherMachine"


class EnvironmentFile:
    """Reads and writes the document; it is on disk whenever a method but `describe` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def describe(self, classes: Sequence[NodeClass], *, varied: int, has_rows: bool) -> None:
        """Take what is the same for all rows; OtherMachineError if the rows that are there are of other classes.

        It is on disk with the next probes, which tell whether this is the machine of those rows.
        """
        described = {each.name: _described(each) for each in classes}
        if has_rows and self._content.get("classes") != described:
            raise OtherMachineError(
                f"{self._path} does not describe these classes, of which there are rows: "
                "keep the cluster's description, or give --out another file"
            )
        self._content |= {
            "profiler_arguments": [*PROFILING],
            "seed": SEED,
            "varied_settings": varied,
            "task_inferences": TASK_INFERENCES,
            "classes": described,
        }
        self._content.setdefault("probes", [])

    def add_probes(self, found: Mapping[str, ProbeResult]) -> None:
        """Add probes of all classes, as of now; OtherMachineError if the first were of another processor."""
        known = _processors(self.first_probes()) if self._content["probes"] else _processors(found)
        if _processors(found) != known:
            raise OtherMachineError(
                f"the rows were measured on {known}, and this is {_processors(found)}: give --out another file"
            )
        date = datetime.now(UTC).isoformat(timespec="seconds")
        probes = {name: self._told(name, each) for name, each in found.items()}
        self._content["probes"].append({"date": date, "machine": machine(), **probes})
        self._write()

    def _told(self, name: str, probe: ProbeResult) -> Any:  # noqa: ANN401 - JSON
        """A probe as it is written; the instruction sets that the kernel tells are not those of an older processor."""
        if "OLDER_PROCESSOR" in self._content["classes"][name]["environment"]:
            environment = msgspec.structs.replace(probe.environment, instruction_sets=())
            probe = msgspec.structs.replace(probe, environment=environment)
        return msgspec.to_builtins(probe)

    def first_probes(self) -> dict[str, ProbeResult]:
        """The probes that the rows' device columns are of: those before the first row."""
        first = self._content["probes"][0]
        return {name: msgspec.convert(first[name], ProbeResult) for name in self._content["classes"]}

    def add_outcome(self, progress: Mapping[str, Progress], runtimes: Iterable[str]) -> None:
        """Write what was left out and what failed, and add the runtimes by which was measured."""
        self._content["runtimes"] = sorted({*self._content.get("runtimes", ()), *runtimes})
        self._content["outcome"] = {
            name: {"wanted": each.wanted, "rows": each.there, "left_out": each.left_out, "failed": each.failed}
            for name, each in progress.items()
        }
        self._write()

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._content, indent=1) + "\n", encoding="utf-8")
        part.replace(self._path)


def _described(node_class: NodeClass) -> dict[str, Any]:
    return {key: dict(value) if isinstance(value, dict) else value for key, value in asdict(node_class).items()}


def _processors(probes: Mapping[str, ProbeResult]) -> str:
    return ", ".join(sorted({each.environment.cpu_model for each in probes.values()}))
