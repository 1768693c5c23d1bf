"""What `bench.placement` finds of the plan, held against what is asked of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np

from foretide.simulate.summary import Summary


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of Foretide's plan, the worst over the scenarios that it is asked of, and what it may be at most."""

    value: float
    bound: float
    met: bool
    worst: str


def marks(found: Mapping[str, Mapping[str, Summary]]) -> dict[str, Mark]:
    """What is asked of the plan, over all scenarios that were run."""

    def to_default(kind: str, *, loads: float = math.inf, fitting: str = "") -> dict[str, float]:
        return {
            name: getattr(each["foretide"], kind) / max(getattr(each["default"], kind), 1e-9)
            for name, each in found.items()
            if load_of(name) <= loads and fitting in name
        }

    mean, p95, missed = "mean_turnaround_seconds", "p95_turnaround_seconds", "deadline_miss_share"
    regrets = {name: each["foretide"].regret or 0.0 for name, each in found.items()}
    asked = {
        "mean to default, Poisson at load 0.5": (to_default(mean, loads=0.5, fitting="Poisson"), 0.35),
        "mean to default, load up to 1": (to_default(mean, loads=1.0), 0.5),
        "mean to default, load 2": ({k: v for k, v in to_default(mean).items() if load_of(k) == 2.0}, 0.6),
        "p95 to default": (to_default(p95), 0.65),
        "missed deadlines to default": (to_default(missed), 0.5),
        "regret, worst": (regrets, 0.15),
        "regret, on average": ({"all": float(np.mean(list(regrets.values())))}, 0.08),
        "mean to the best other policy, unless p95 is better": (
            {name: _to_best_other(each) for name, each in found.items()},
            1.03,
        ),
    }
    return {
        name: Mark(value=round(figures[worst], 3), bound=bound, met=figures[worst] <= bound, worst=worst)
        for name, (figures, bound) in asked.items()
        if figures
        for worst in [max(figures, key=figures.__getitem__)]
    }


def load_of(name: str) -> float:
    """The load of a scenario by its name."""
    return float(name.split("load ")[1].split(",", maxsplit=1)[0])


def _to_best_other(each: Mapping[str, Summary]) -> float:
    ours = each["foretide"]
    ratios = [
        ours.mean_turnaround_seconds / other.mean_turnaround_seconds
        for name, other in each.items()
        if name not in {"foretide", "oracle"} and other.p95_turnaround_seconds <= ours.p95_turnaround_seconds
    ]
    return max(ratios, default=0.0)
