"""Whether two probes can be of the same hardware: of one class at two times, or of one name in two clusters."""

from __future__ import annotations

import math
from typing import Final

from foretide.results import Environment
from foretide_kube.kinds.nodeclass import Probe

NOISE: Final = 1.5
"""Two probes of the same hardware differ by less than this factor, as the geometric mean over their figures.

Probes of one machine whose cores many other processes used differed by less. It is wide, because a change costs that
all of a class is measured again, and what it misses is seen where tasks drift.
"""


def change(before: Probe, after: Probe) -> str:
    """How the hardware that was probed differs from that of the probe before, beyond noise; empty if it need not.

    Times taken beside other tasks, or with another version of the runtime, tell nothing.
    """
    for name in ("cpu_model", "architecture", "instruction_sets"):
        old, new = _text(before.environment, name), _text(after.environment, name)
        if old and new and old != new:
            return f"its {name.replace('_', ' ')} is {new} and was {old}"
    if before.environment.co_runners or after.environment.co_runners:
        return ""
    if before.environment.runtime_version != after.environment.runtime_version:
        return ""
    factor = _slowness(before, after)
    if 1 / NOISE < factor < NOISE:
        return ""
    return f"the probe's tasks take {factor:.2f} times as long as they did"


def _text(environment: Environment, name: str) -> str:
    value = getattr(environment, name)
    return value if isinstance(value, str) else " ".join(value)


def _slowness(before: Probe, after: Probe) -> float:
    """How many times as long the probe's tasks take as before: the geometric mean over what both were asked."""
    models = before.model_microseconds.keys() & after.model_microseconds.keys()
    pairs = [(after.model_microseconds[name], before.model_microseconds[name]) for name in sorted(models)]
    pairs.append((before.gemm_flops_per_second, after.gemm_flops_per_second))
    pairs.append((before.memory_bandwidth_bytes_per_second, after.memory_bandwidth_bytes_per_second))
    logs = [math.log(over / under) for over, under in pairs if over > 0 and under > 0]
    return math.exp(sum(logs) / len(logs)) if logs else 1.0
