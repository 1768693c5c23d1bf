"""A cluster as an export holds it, always the same: six workloads, four classes, some hundred tasks, five versions."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from foretide.pairing import Pairing
from foretide.prediction import Interval, PodPrediction, Prediction, Source
from foretide_cli.export.document import Export, Task
from foretide_kube.explanation import Candidates, Explanation, Placed
from foretide_kube.kinds import aiworkload, completiontimemodel, nodeclass, workloadprofile
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.common import plain

NOW = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
CLASSES = {"gpu-server": 0.35, "edge-large": 1.0, "edge-medium": 2.6, "board-a72": 8.4}
"""Times of each class against `edge-large`."""
WORKLOADS = {
    "vision/resnet18": (11_800, 500),
    "vision/mobilenet-v3-small": (4_100, 1500),
    "vision/detect-320": (31_000, 200),
    "speech/keyword-spotting": (900, 4000),
    "speech/conformer": (58_000, 120),
    "quality/anomaly-vae": (2_700, 1000),
}
"""Microseconds of an inference on `edge-large`, and inferences of a task."""
SOURCES: tuple[Source, ...] = ("Measured", "Learned", "Learned", "Fallback")
MISJUDGED = ("keyword-spotting", "gpu-server")
"""Told far too fast, so that predictions prefer it though it is not the best."""
WIDTH = {"Measured": 1.1, "Learned": 1.35, "Fallback": 4.0}


def ago(**delta: float) -> str:
    return (NOW - timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def export(*, each: int = 36, **fields: Any) -> Export:
    """The whole; so many tasks of ``each`` workload have ended."""
    chance = random.Random(7)
    workloads = [workload(name, number) for number, name in enumerate(WORKLOADS)]
    ended = [task(of, number, chance) for of in workloads for number in range(each)]
    ended.sort(key=lambda task: (task.ended_milliseconds or 0, task.pod))
    return Export(
        **{
            "taken_time": ago(),
            "version": "0.1.0",
            "source": "edge-cluster",
            "workloads": tuple(workloads),
            "profiles": tuple(map(profile, workloads)),
            "node_classes": tuple(map(node_class, CLASSES)),
            "model": model(),
            "tasks": tuple(ended),
            **fields,
        }
    )


def workload(name: str, number: int = 0, *, predicted: bool = True, status: dict[str, Any] | None = None) -> AIWorkload:
    """An AIWorkload; it was measured on the class that its number points to, and is a service if that is the last."""
    namespace, _, plain_name = name.partition("/")
    microseconds, inferences = WORKLOADS.get(name, (5_000, 100))
    predictions = [
        plain(prediction(node_class, round(microseconds * factor), (number + place) % 4))
        for place, (node_class, factor) in enumerate(CLASSES.items())
        if not (plain_name == "conformer" and node_class == "board-a72")
    ]
    return aiworkload.parse(
        {
            "metadata": {
                "name": plain_name,
                "namespace": namespace,
                "uid": f"uid-{name}",
                "creationTimestamp": ago(days=9),
            },
            "spec": {
                "model": {"source": "TorchVision", "name": "resnet18"},
                "input": {"shape": [3, 224, 224]},
                "inferences": inferences,
                "resources": {"limits": {"cpu": "1", "memory": "768Mi"}},
                "run": {"mode": "Job", "completions": 12},
            },
            "status": {
                "predictions": predictions if predicted else [],
                "actuals": {
                    "count": 400 + number,
                    "meanWorkMilliseconds": 6_000,
                    "meanCompletionMilliseconds": 7_300,
                    "actualToPredictedPermille": 1_020 + 15 * number,
                },
                **(status or {}),
            },
        }
    )


def prediction(node_class: str, microseconds: int, source: int) -> Prediction:
    width = WIDTH[SOURCES[source]]
    return Prediction(
        node_class=node_class,
        work_microseconds_per_inference=Interval(
            lower=round(microseconds / width), median=microseconds, upper=round(microseconds * width)
        ),
        startup_milliseconds=1_100,
        memory_bytes=200 * 2**20,
        source=SOURCES[source],
        model_version="14-3f9a61" if SOURCES[source] == "Learned" else "",
        measured_time=ago(days=2) if SOURCES[source] == "Measured" else None,
    )


def task(of: AIWorkload, number: int, chance: random.Random, *, off: float | None = None, **fields: Any) -> Task:
    """A task that was held against its prediction; it took ``off`` times what was told, or is off by chance."""
    told = of.status.predictions[number % len(of.status.predictions)]
    inferences = of.spec.inferences
    work = {bound: told.work_seconds(inferences, bound=bound) for bound in ("lower", "median", "upper")}
    scatter = {"Measured": 0.06, "Learned": 0.2, "Fallback": 0.6}[told.source]
    usual = 2.9 if (of.metadata.name, told.node_class) == MISJUDGED else 1.0
    ratio = off or usual * chance.lognormvariate(0.02, scatter) * (2.4 if chance.random() < 0.02 else 1.0)
    took = round(1000 * work["median"] * ratio)
    end = round(NOW.timestamp() * 1000) - 1000 * chance.randrange(20, 3400)
    start = 1_100 + chance.randrange(0, 900)
    bound = end - took - start
    node = f"{told.node_class}-{1 + number % 3}"
    pairing = Pairing.of(
        PodPrediction(
            node=node,
            node_class=told.node_class,
            inferences=inferences,
            work_milliseconds=Interval(**{name: round(1000 * seconds) for name, seconds in work.items()}),
            startup_milliseconds=1_100,
            memory_bytes=told.memory_bytes,
            source=told.source,
            model_version=told.model_version,
            bound_milliseconds=bound,
        ),
        created_milliseconds=bound - 4_000,
        ended_milliseconds=end + 300,
        work_begin_milliseconds=bound + start,
        work_end_milliseconds=end,
    )
    return Task(
        **{
            "namespace": of.metadata.namespace,
            "pod": f"{of.metadata.name}-{number:02d}x{chance.randrange(16**4):04x}",
            "workload": of.metadata.name,
            "node": node,
            "node_class": told.node_class,
            "ending": "Paired",
            "bound_milliseconds": bound,
            "ended_milliseconds": end,
            "planned_node": node,
            "pairing": pairing,
            **fields,
        }
    )


def profile(of: AIWorkload) -> workloadprofile.WorkloadProfile:
    """The profile on the first class that the workload was measured on."""
    measured = next(each for each in of.status.predictions if each.source == "Measured")
    mean = measured.work_microseconds_per_inference.median
    return workloadprofile.parse(
        {
            "metadata": {"name": f"{of.metadata.name}-profile-1", "namespace": of.metadata.namespace},
            "spec": {
                "workload": {"name": of.metadata.name, "uid": of.metadata.uid, "key": aiworkload.workload_key(of.spec)},
                "nodeClass": measured.node_class,
                "nodeName": f"{measured.node_class}-1",
                "cpuMillis": 1000,
                "startupMilliseconds": 1100,
                "measuredTime": ago(days=2),
                "measurement": {
                    "samples": 640,
                    "inferenceMicroseconds": {"mean": mean, "median": mean, "interquartileRange": mean // 20},
                    "firstInferenceMicroseconds": 3 * mean,
                    "warmupInferences": 30,
                    "loadMilliseconds": 400,
                    "stable": of.metadata.name != "detect-320",
                    "unstableReason": "CpuContended" if of.metadata.name == "detect-320" else "",
                    "memoryPeakBytes": 2 * 10**8,
                    "memoryBaseBytes": 10**8,
                    "environment": {"threads": 1, "runtime": "onnxruntime 1.22.0"},
                },
            },
            "status": {
                "conditions": [
                    {
                        "type": "Current",
                        "status": "True",
                        "reason": "UpToDate",
                        "message": "nothing that it depends on is known to have changed",
                        "lastTransitionTime": ago(days=2),
                    }
                ]
            },
        }
    )


def node_class(name: str) -> nodeclass.NodeClass:
    return nodeclass.parse(
        {
            "metadata": {"name": name, "creationTimestamp": ago(days=20)},
            "spec": {"selector": {"matchLabels": {"foretide.dev/node-class": name}}},
            "status": {"nodes": {"total": 3, "ready": 3, "summary": "3/3"}},
        }
    )


def version(name: str, state: str, begin: float, end: float, error: int, **fields: Any) -> dict[str, Any]:
    """A version that was trained ``begin`` hours ago and got its state ``end`` hours ago."""
    return {
        "version": name,
        "trainedTime": ago(hours=begin),
        "observations": 900 - 5 * round(begin),
        "errors": {"medianAbsolutePermille": error, "coveragePermille": 905},
        "state": state,
        "stateTime": ago(hours=end),
        **fields,
    }


def model() -> completiontimemodel.CompletionTimeModel:
    trial = {
        "times": "HeldBack",
        "against": "12-0c77de",
        "pairs": 41,
        "errorPermille": 138,
        "againstErrorPermille": 96,
        "verdict": "Worse",
    }
    served = {**trial, "times": "Served", "against": "10-aa01bf", "pairs": 63, "errorPermille": 149}
    return completiontimemodel.parse(
        {
            "metadata": {"name": "default"},
            "status": {
                "activeVersion": "14-3f9a61",
                "versions": [
                    version("14-3f9a61", "Serving", 7, 7, 92, provenTime=ago(hours=3)),
                    version(
                        "13-77b2e0",
                        "Rejected",
                        15,
                        15,
                        138,
                        reason="WorseThanPresent",
                        trials=[trial],
                        message="worse than 12-0c77de on 41 recent pairs of 9 workloads",
                    ),
                    version("12-0c77de", "Superseded", 31, 7, 96, provenTime=ago(hours=25)),
                    version(
                        "11-5d20c4",
                        "RolledBack",
                        44,
                        36,
                        101,
                        reason="WorseThanProven",
                        trials=[served],
                        message="tasks of 7 workloads took other times than it foretold; 10-aa01bf serves again",
                    ),
                    version("10-aa01bf", "Superseded", 66, 31, 117, provenTime=ago(hours=60)),
                ],
                "classes": [
                    {"nodeClass": name, "observations": 120, "errorPermille": 80 + 12 * place, "coveragePermille": 900}
                    for place, name in enumerate(CLASSES)
                ],
                "excluded": [{"namespace": "playground", "observations": 14, "whole": True, "reason": "Incoherent"}],
            },
        }
    )


def explanation(of: Task, best: str) -> Explanation:
    """What the extender keeps: the task went elsewhere than to the best node."""
    return Explanation(
        namespace=of.namespace,
        pod=of.pod,
        status="Decided",
        message="this is the last decision",
        as_of=ago(hours=1),
        candidates=[Candidates(nodes=[of.node], contention_seconds=1.3, sharing_seconds=2.8)],
        placed=Placed(node=of.node, best_node=best, completion_seconds=15.4, best_seconds=10.4, regret_seconds=5.0),
    )
