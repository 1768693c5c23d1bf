"""What the cache keeps as compressed text: WorkloadProfiles, and the Jobs and Pods of measurements that have ended.

There are as many of each as pairs of workload and node class, all alike, and they are read whole but seldom. What is
asked of all of them often stands beside the text, and what is equal among them there is kept once. Compressed against
one of their kind they take an eighth of their text, and that half of what they take as objects; to read one costs a few
microseconds.
"""

from __future__ import annotations

import zlib
from typing import Final, NamedTuple

import msgspec

from foretide_kube.client import Object
from foretide_kube.kinds import workloadprofile
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import (
    LABEL_JOB_NODE_CLASS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    ROLE_INSPECT,
    ROLE_PROBE,
    ROLE_PROFILE,
)
from foretide_operator.outcome import finished_condition
from foretide_operator.reduce import shared

_BESIDE: Final = ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp")
_OF_A_JOB: Final = ("creationTimestamp", "ownerReferences")
_LABELS: Final = (LABEL_ROLE, LABEL_WORKLOAD)
_OF_WORKLOADS: Final = frozenset({ROLE_INSPECT, ROLE_PROFILE})
_MEASURING: Final = _OF_WORKLOADS | {ROLE_PROBE}
_ENDED: Final = frozenset({"Succeeded", "Failed"})
_PACKED: Final = "packed"

_decoder = msgspec.json.Decoder(WorkloadProfile)


class _Text(NamedTuple):
    """A text compressed, and the one of its kind that it takes to read it."""

    data: bytes
    like: bytes


class Packer:
    """Packs the objects of one cache; may be used by many threads."""

    def __init__(self) -> None:
        self._like = b""

    def profile(self, item: Object) -> Object:
        """A WorkloadProfile packed, without the record of who wrote which field; beside it the workload's name."""
        metadata = item["metadata"]
        kept = {**item, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
        return {
            "metadata": _only(_BESIDE, metadata),
            "spec": shared({"workload": {"name": item["spec"]["workload"]["name"]}}),
            _PACKED: self._text(kept),
        }

    def pod(self, pod: Object) -> Object:
        """A reduced Pod, packed if it was to measure and has ended; beside it its role, workload, node and phase."""
        metadata, status = pod["metadata"], pod["status"]
        if metadata["labels"].get(LABEL_ROLE) not in _MEASURING or status.get("phase") not in _ENDED:
            return pod
        return {
            "metadata": {**_only(_BESIDE, metadata), "labels": shared(_only(_LABELS, metadata["labels"]))},
            "spec": shared(_only(("nodeName",), pod["spec"])),
            "status": shared(_only(("phase",), status)),
            _PACKED: self._text(pod),
        }

    def job(self, job: Object) -> Object:
        """A reduced Job, packed if it was to measure a workload and has ended.

        Beside it its role, workload and class, its owner, when it was made, how it ended and how long it stays.
        """
        metadata, finished = job["metadata"], finished_condition(job)
        if metadata["labels"].get(LABEL_ROLE) not in _OF_WORKLOADS or finished is None:
            return job
        labels = _only((*_LABELS, LABEL_JOB_NODE_CLASS), metadata["labels"])
        return {
            "metadata": {**_only((*_BESIDE, *_OF_A_JOB), metadata), "labels": labels},
            "spec": shared(_only(("ttlSecondsAfterFinished",), job["spec"])),
            "status": shared({"conditions": [finished]}),
            _PACKED: self._text(job),
        }

    def _text(self, item: Object) -> _Text:
        """Compressed against the first one, or the last that was unlike those before it."""
        plain, like = msgspec.json.encode(item), self._like
        data = _compressed(plain, like)
        if not like or 2 * len(data) > len(plain):
            self._like = like = plain
            data = _compressed(plain, like)
        return _Text(data, like)


def profile_of(packed: Object) -> WorkloadProfile:
    """A WorkloadProfile that was packed; KindError names the field and the value that do not fit."""
    text = _plain(packed[_PACKED])
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError:
        return workloadprofile.parse(msgspec.json.decode(text))


def whole(item: Object) -> Object:
    """An object with all its fields, whether it was packed or not."""
    if _PACKED not in item:
        return item
    found: Object = msgspec.json.decode(_plain(item[_PACKED]))
    return found


def _only(keys: tuple[str, ...], source: Object) -> Object:
    return {key: source[key] for key in keys if key in source}


def _compressed(plain: bytes, like: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS, zdict=like)
    return compressor.compress(plain) + compressor.flush()


def _plain(text: _Text) -> bytes:
    return zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=text.like).decompress(text.data)
