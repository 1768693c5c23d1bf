"""Which observed times may teach the shared model: those that others' times, or the probes, do not contradict.

Times and signatures are reported by containers that run anyone's code. What they say of their own workload harms only
that workload; what the model learns from them about node classes and kinds of work would bend everybody's predictions.
So times are held against each other before the fit, with nothing learned, by medians in which every namespace has one
vote:

* A pair's *offset* is the logarithm of its median time over what its counted work takes at the class's probed speeds
  (`foretide.prediction.fallback_interval`). A class's *level* is the median of its namespaces' median offsets and of
  one vote for the probe, which no tenant controls; where one namespace alone is known on a probed class, the probe's.
* A pair is *implausible* if its offset is more than `MOST_OFF` times from its class's level, or more than
  `MOST_APART` times from what its workload is elsewhere; both grow with how much namespaces scatter themselves.
* A namespace more than a quarter of whose pairs are implausible, or whose workloads fit together far worse than those
  of others do, is left out whole; on a class where most of its pairs are implausible, on that class.

A namespace alone is never judged, and two that contradict each other only by the probe: who is right nobody else knows.
A peculiar workload, ten times slower than its signature says, is left out too, which costs little: what is peculiar to
a workload it still teaches (`foretide.model.CompletionTimeModel.fit`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median, median_low
from typing import Final, Literal, NamedTuple

import msgspec

from foretide.observation import DeviceFeatures, Observation, namespace_of
from foretide.prediction import fallback_interval

MOST_OFF: Final = 10.0
"""On public times of 59 devices (`bench/data`) one pair in a thousand is further off its device's level."""
MOST_APART: Final = 5.0
"""… and five in a thousand are so far from what their workload is on other devices."""
MOST_DEVIATIONS: Final = 4.0
"""Both are at least so many robust deviations."""
MOST_INCOHERENT: Final = 1.75
"""How far a namespace's pairs may in the median be from what their workloads are elsewhere, as a factor …"""
TIMES_INCOHERENT: Final = 3.0
"""… and at least so many times as far, in logarithms, as those of the median namespace."""
MIN_PAIRS: Final = 6
"""With fewer a namespace's coherence is not judged."""
MOST_IMPLAUSIBLE: Final = 0.25
"""Share of a namespace's pairs; more, and none of them is believed."""
MIN_VOTES: Final = 3
"""For a median that one voter cannot carry away: of a class, and of what counted work misses on all classes."""

Why = Literal["Implausible", "Incoherent"]
Pair = tuple[str, str]

_MAD_TO_DEVIATION: Final = 1.4826


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a namespace that do not teach the shared model, and whether all of its rows are among them."""

    namespace: str
    observations: int
    whole: bool
    reason: Why


class Vetted(NamedTuple):
    """``kept`` teach the model, ``apart`` only what is peculiar to their workloads; ``exclusions`` say whose these are.

    Rows keep their order; exclusions are sorted by namespace.
    """

    kept: list[Observation]
    apart: list[Observation]
    exclusions: tuple[Exclusion, ...]


def vet(observations: Iterable[Observation], devices: Mapping[str, DeviceFeatures]) -> Vetted:
    """Part the rows of a training table; deterministic."""
    rows = list(observations)
    offsets = _offsets(rows, devices)
    if len(_by_namespace(offsets)) < 2:
        return Vetted(rows, [], ())
    implausible, incoherent = _implausible(offsets, devices)
    whole = _whole(offsets, implausible)
    out = {pair for pair in offsets if _owner(pair) in whole | incoherent} | _with_classes(offsets, implausible)
    apart = [row for row in rows if (row.workload, row.node_class) in out]
    kept = [row for row in rows if (row.workload, row.node_class) not in out]
    told = Counter(namespace_of(row.workload) for row in rows)
    exclusions = tuple(
        Exclusion(
            namespace=name,
            observations=count,
            whole=count == told[name],
            reason="Incoherent" if name in incoherent - whole else "Implausible",
        )
        for name, count in sorted(Counter(namespace_of(row.workload) for row in apart).items())
    )
    return Vetted(kept, apart, exclusions)


def _offsets(rows: Sequence[Observation], devices: Mapping[str, DeviceFeatures]) -> dict[Pair, float]:
    times: dict[Pair, list[float]] = defaultdict(list)
    for row in rows:
        counted = fallback_interval(row, devices.get(row.node_class)).median * 1e3 / row.cpu_millis
        times[row.workload, row.node_class].append(math.log(row.inference_microseconds / counted))
    return {pair: median(each) for pair, each in times.items()}


def _levels(offsets: Mapping[Pair, float], devices: Mapping[str, DeviceFeatures]) -> dict[str, float]:
    """Where each class lies; none of a class with too few votes, where nobody can be told wrong."""
    namespaces = [median(each) for each in _by_namespace(offsets).values()]
    probed = median(namespaces) if len(namespaces) >= MIN_VOTES else 0.0
    votes: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for pair, offset in offsets.items():
        votes[pair[1]][_owner(pair)].append(offset)
    levels = {}
    for name, by_namespace in votes.items():
        known = name in devices and bool(devices[name].gemm_flops_per_second)
        said = [*map(median, by_namespace.values()), *([probed] if known else [])]
        if len(said) >= MIN_VOTES:
            levels[name] = median(said)
        elif known:
            levels[name] = probed
    return levels


def _implausible(offsets: Mapping[Pair, float], devices: Mapping[str, DeviceFeatures]) -> tuple[set[Pair], set[str]]:
    """The pairs that cannot be, and the namespaces that do not agree with themselves."""
    levels = _levels(offsets, devices)
    off = {pair: offset - levels[pair[1]] for pair, offset in offsets.items() if pair[1] in levels}
    furthest = max(math.log(MOST_OFF), MOST_DEVIATIONS * _deviation(off))
    implausible = {pair for pair, value in off.items() if abs(value) > furthest}
    elsewhere: dict[str, list[float]] = defaultdict(list)
    for pair in off.keys() - implausible:
        elsewhere[pair[0]].append(off[pair])
    usual = {workload: median(values) for workload, values in elsewhere.items()}
    apart = {pair: value - usual[pair[0]] for pair, value in off.items() if pair[0] in usual}
    by_class: dict[str, dict[Pair, float]] = defaultdict(dict)
    for pair, value in apart.items():
        by_class[pair[1]][pair] = value
    for values in by_class.values():
        furthest = max(math.log(MOST_APART), MOST_DEVIATIONS * _deviation(values))
        implausible |= {pair for pair, value in values.items() if abs(value) > furthest}
    incoherence = {name: median(map(abs, values)) for name, values in _by_namespace(apart).items()}
    most = max(math.log(MOST_INCOHERENT), TIMES_INCOHERENT * median_low(incoherence.values())) if incoherence else 0.0
    pairs = Counter(map(_owner, apart))
    return implausible, {name for name, value in incoherence.items() if value > most and pairs[name] >= MIN_PAIRS}


def _whole(offsets: Mapping[Pair, float], implausible: set[Pair]) -> set[str]:
    count, bad = Counter(map(_owner, offsets)), Counter(map(_owner, implausible))
    return {name for name in bad if bad[name] > MOST_IMPLAUSIBLE * count[name]}


def _with_classes(offsets: Mapping[Pair, float], implausible: set[Pair]) -> set[Pair]:
    """The implausible pairs, and the others of their namespace on classes where they are the most."""
    count = Counter((_owner(pair), pair[1]) for pair in offsets)
    bad = Counter((_owner(pair), pair[1]) for pair in implausible)
    most = {key for key in bad if 2 * bad[key] > count[key]}
    return implausible | {pair for pair in offsets if (_owner(pair), pair[1]) in most}


def _deviation(values: Mapping[Pair, float]) -> float:
    """Robust, of the median namespace; of two the one with less, for half of them may be nonsense."""
    sizes = [median(map(abs, each)) for each in _by_namespace(values).values()]
    return _MAD_TO_DEVIATION * median_low(sizes) if sizes else 0.0


def _by_namespace(values: Mapping[Pair, float]) -> dict[str, list[float]]:
    out: dict[str, list[float]] = defaultdict(list)
    for pair, value in values.items():
        out[_owner(pair)].append(value)
    return out


def _owner(pair: Pair) -> str:
    return namespace_of(pair[0])
