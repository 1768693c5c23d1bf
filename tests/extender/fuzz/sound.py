"""Requests that kube-scheduler could send: Pods as odd as an API server admits, written in any way that JSON allows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Final

import msgspec

from tests.extender.fuzz.values import IMAGES, LABEL_VALUES, NAMES, QUANTITIES, TEXTS, TIMES, Vocabulary, pick

Edit = Callable[[dict[str, Any], random.Random, Vocabulary], None]

OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
RESOURCES: Final = ("cpu", "memory", "ephemeral-storage", "nvidia.com/gpu", "hugepages-2Mi", "foretide.dev/task")
_MOST_EDITS: Final = 6
_MOST_NAMES: Final = 40
_MANY_NAMES: Final = 3000
_MANY_IMAGES: Final = 3000


def sound_body(recorded: bytes, source: random.Random, known: Vocabulary) -> bytes:
    """A request of the form of ``recorded``, for a Pod that differs from its in some ways."""
    asked = msgspec.json.decode(recorded)
    pod = asked["Pod"]
    for _ in range(int(source.random() * (_MOST_EDITS + 1))):
        pick(source, EDITS)(pod, source, known)
    names = _names(source, known)
    if asked["Nodes"] is None:
        asked["NodeNames"] = names
    else:
        asked["Nodes"]["items"] = [_named(pick(source, asked["Nodes"]["items"]), name) for name in names]
    if source.random() < 0.1:
        asked[pick(source, ("Future", "nodenames", "pod"))] = pick(source, TEXTS)
    return _written(asked, source)


def _names(source: random.Random, known: Vocabulary) -> list[str]:
    """Different names, most of them known."""
    most = _MANY_NAMES if source.random() < 0.002 else _MOST_NAMES
    count = int(source.random() ** 2 * most)
    names = [
        pick(source, known.nodes)
        if source.random() < 0.7
        else pick(source, NAMES)
        if source.random() < 0.3
        else f"other-{int(source.random() * 1e6)}"
        for _ in range(count)
    ]
    return list(dict.fromkeys(names))


def _named(node: dict[str, Any], name: str) -> dict[str, Any]:
    return node | {"metadata": node["metadata"] | {"name": name}}


def _labels(pod: dict[str, Any], source: random.Random, known: Vocabulary) -> None:
    labels = {
        "foretide.dev/workload": pick(source, (*known.workloads, *LABEL_VALUES)),
        "foretide.dev/role": pick(source, LABEL_VALUES),
        "app": pick(source, LABEL_VALUES),
    }
    pod["metadata"]["labels"] = {key: value for key, value in labels.items() if source.random() < 0.7}


def _annotations(pod: dict[str, Any], source: random.Random, known: Vocabulary) -> None:
    annotations = {
        "foretide.dev/inferences": pick(source, TEXTS),
        "foretide.dev/planned-node": pick(source, (*known.nodes, *TEXTS)),
        "foretide.dev/prediction": pick(source, TEXTS),
        "foretide.dev/plan": pick(source, TEXTS),
        "other": pick(source, TEXTS),
    }
    pod["metadata"]["annotations"] = {key: value for key, value in annotations.items() if source.random() < 0.6}


def _identity(pod: dict[str, Any], source: random.Random, known: Vocabulary) -> None:
    pod["metadata"] |= {"name": pick(source, NAMES), "namespace": pick(source, (known.namespace, "default", "x" * 63))}


def _times(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    pod["metadata"]["creationTimestamp"] = pick(source, (None, *TIMES))
    if source.random() < 0.3:
        pod["metadata"]["deletionTimestamp"] = pick(source, TIMES)


def _containers(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    pod["spec"]["containers"] = [_container(source) for _ in range(1 + int(source.random() * 3))]


def _init_containers(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    pod["spec"]["initContainers"] = [
        _container(source) | ({"restartPolicy": "Always"} if source.random() < 0.5 else {}) for _ in range(2)
    ]


def _container(source: random.Random) -> dict[str, Any]:
    resources = {key: _quantities(source) for key in ("requests", "limits") if source.random() < 0.8}
    return {"name": "c", "image": pick(source, IMAGES), "resources": resources}


def _images(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    """Up to eight, or thousands, some of them mounted."""
    count = int(source.random() * (_MANY_IMAGES if source.random() < 0.1 else 9))
    names = [pick(source, IMAGES[:-2]) + f"-{number}" for number in range(count)]
    mounted = [name for name in names if source.random() < 0.3]
    pod["spec"]["containers"] = [{"name": "c", "image": name} for name in ("x", *names)]
    pod["spec"]["volumes"] = [{"name": "v", "image": {"reference": pick(source, (None, name))}} for name in mounted]


def _quantities(source: random.Random) -> dict[str, str]:
    return {name: pick(source, QUANTITIES) for name in RESOURCES if source.random() < 0.5}


def _as_a_whole(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    pod["spec"]["resources"] = {"requests": _quantities(source), "limits": _quantities(source)}
    pod["spec"]["overhead"] = _quantities(source)


def _selectors(pod: dict[str, Any], source: random.Random, known: Vocabulary) -> None:
    expressions = [
        {"key": pick(source, LABEL_VALUES), "operator": operator, "values": [pick(source, LABEL_VALUES)]}
        for operator in OPERATORS
        if source.random() < 0.5
    ]
    fields = [{"key": "metadata.name", "operator": "In", "values": [pick(source, known.nodes)]}]
    terms = [{"matchExpressions": expressions}, {"matchFields": fields}, {}]
    required = {"nodeSelectorTerms": terms}
    pod["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    pod["spec"]["nodeSelector"] = {pick(source, LABEL_VALUES): pick(source, LABEL_VALUES)}


def _tolerations(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    pod["spec"]["tolerations"] = [
        {"operator": "Exists"},
        {"key": "k", "operator": "Equal", "value": pick(source, LABEL_VALUES), "effect": "NoSchedule"},
        {"key": "k", "operator": "Lt", "value": "5", "effect": "NoExecute", "tolerationSeconds": -1},
    ]


def _priority(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    pod["spec"]["priority"] = pick(source, (0, 2**31 - 1, -(2**31), 2_000_001_000))


def _status(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    conditions = [
        {"type": "PodScheduled", "status": pick(source, ("True", "False", "Unknown")), "lastTransitionTime": time}
        for time in (None, *TIMES)
        if source.random() < 0.3
    ]
    terminated = {"exitCode": 1, "finishedAt": pick(source, (None, *TIMES)), "message": pick(source, TEXTS)}
    statuses = [{"name": "c", "state": {"terminated": terminated}, "lastState": {}}, {"name": "d", "state": {}}]
    pod["status"] = {"phase": "Pending", "conditions": conditions, "containerStatuses": statuses}


def _unknown_fields(pod: dict[str, Any], source: random.Random, _: Vocabulary) -> None:
    part = pick(source, ("metadata", "spec", "status"))
    pod[part]["fieldOfTheFuture"] = {"a": [pick(source, TEXTS), 1, 2.5, None, {"b": True}], "c": 2**63 - 1}


EDITS: Final[tuple[Edit, ...]] = (
    _labels,
    _labels,
    _annotations,
    _annotations,
    _identity,
    _times,
    _containers,
    _init_containers,
    _images,
    _as_a_whole,
    _selectors,
    _tolerations,
    _priority,
    _status,
    _unknown_fields,
)


def _written(asked: dict[str, Any], source: random.Random) -> bytes:
    """As JSON: mostly as Go writes it, else with other blanks, escapes, or the keys in another order."""
    chance = source.random()
    if chance < 0.4:
        return _as_go(json.dumps(asked, separators=(",", ":"), ensure_ascii=False))
    if chance < 0.6:
        return msgspec.json.encode(asked)
    if chance < 0.75:
        return json.dumps(asked).encode()
    if chance < 0.9:
        keys = list(asked)
        source.shuffle(keys)
        return msgspec.json.encode({key: asked[key] for key in keys})
    return json.dumps(asked, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _as_go(text: str) -> bytes:
    for character in "<>&\u2028\u2029":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()
