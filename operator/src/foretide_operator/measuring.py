"""Which Jobs hold a place of their node class: measurements of ours under way, whatever else wears their labels.

Anyone may make a Job with our labels in a namespace of his own; such a Job must not keep a class from being measured.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from foretide_kube.client import Object
from foretide_kube.names import LABEL_ROLE, ROLE_PROBE
from foretide_kube.times import seconds_left
from foretide_operator.attempts import MAX_ATTEMPTS, number_of
from foretide_operator.outcome import finished_condition
from foretide_operator.settings import Settings

OVERTIME_SECONDS: Final = 120.0
"""How long a Job whose deadline has passed may take to end; then its place is free, ended or not."""


def controller_of(item: Object) -> Object | None:
    """The reference to what controls an object, of which the API server lets there be one; None if nothing does."""
    references: list[Object] = item["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def is_controlled_by(job: Object, workload: Object | None) -> bool:
    """Whether a Job was made for this AIWorkload, and not by someone who only wears our labels."""
    controller = controller_of(job)
    return workload is not None and controller is not None and bool(controller["uid"] == workload["metadata"]["uid"])


def holds_place(job: Object, workload: Object | None, settings: Settings, now: datetime) -> bool:
    """Whether a profile or probe Job counts as a measurement under way on the class that its label names.

    ``workload`` is the AIWorkload of the Job's namespace that its controller reference names, None if there is none.
    A late attempt counts only while its Pod runs.
    """
    metadata = job["metadata"]
    if number_of(job) > MAX_ATTEMPTS and not job.get("status", {}).get("ready"):
        return False  # what the cluster never lets begin is tried for ever, and must not hold up the others for ever
    if finished_condition(job) is not None:
        return False
    if not seconds_left(settings.job_deadline_seconds + OVERTIME_SECONDS, metadata.get("creationTimestamp"), now):
        return False
    if metadata["labels"].get(LABEL_ROLE) == ROLE_PROBE:
        return bool(metadata["namespace"] == settings.namespace)
    return is_controlled_by(job, workload)
