"""How fast node classes are beside each other, from their probes alone: the guess where nothing better is known."""

from __future__ import annotations

import math
from collections.abc import Mapping

from foretide.observation import DeviceFeatures


def class_speeds(probes: Mapping[str, DeviceFeatures]) -> dict[str, float]:
    """Relative speed by node class, 1 for the fastest; classes of which nothing comparable is known are left out.

    Speed is the geometric mean over the probe models that all probed classes have run (they are what inference is
    like); where no model is common to all, the rate of the matrix multiplication.
    """
    timed = {name: probe.model_microseconds for name, probe in probes.items() if probe.model_microseconds}
    common = set.intersection(*(set(times) for times in timed.values())) if timed else set()
    usable = sorted(model for model in common if all(times[model] > 0 for times in timed.values()))
    if usable:
        rates = {
            name: math.exp(-sum(math.log(times[model]) for model in usable) / len(usable))
            for name, times in timed.items()
        }
    else:
        rates = {
            name: float(probe.gemm_flops_per_second) for name, probe in probes.items() if probe.gemm_flops_per_second
        }
    fastest = max(rates.values(), default=1.0)
    return {name: rate / fastest for name, rate in rates.items()}
