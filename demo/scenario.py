"""What a trial runs, read from a file such as `scenario.yaml`, and the order in which tasks arrive."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import yaml

from foretide.placement.order import Order

ROOT = Path(__file__).resolve().parent.parent


class Scenario(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A cluster, its workloads and the waves in which their tasks come.

    ``marks`` say how much each figure may be, ``order`` is what the planner goes by.
    """

    seed: int
    cluster: str
    workloads: tuple[str, ...]
    waves: int
    tasks_per_wave: int
    next_wave_when_ended: float
    marks: dict[str, float]
    order: Order = "Balanced"

    @classmethod
    def load(cls, path: Path) -> Scenario:
        """Read a scenario; msgspec.ValidationError names the field at fault."""
        return msgspec.convert(yaml.safe_load(path.read_text()), cls)

    def describe(self) -> str:
        """How many tasks come, in words."""
        tasks = f"{self.tasks_per_wave} tasks"
        return f"{tasks} at once" if self.waves == 1 else f"{self.waves} waves of {tasks}"

    def manifests(self) -> list[dict[str, Any]]:
        """The AIWorkload manifests, as files beside the project give them."""
        return [yaml.safe_load((ROOT / name).read_text()) for name in self.workloads]

    def arrivals(self, names: list[str]) -> list[list[str]]:
        """The workload of each task, wave by wave: equal shares, shuffled alike in every run."""
        rng = random.Random(self.seed)  # noqa: S311 - an order of arrival, no secret
        waves = []
        for _ in range(self.waves):
            wave = [names[index % len(names)] for index in range(self.tasks_per_wave)]
            rng.shuffle(wave)
            waves.append(wave)
        return waves
