"""One ended task Pod: what it really took, held against its prediction, believed only as far as the API bears it out.

Annotations and results can be forged by those who make Pods. A prediction that does not fit the Pod is refused and
counts nowhere; what is learned is the work that the runner reports, within the API's own times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from foretide.contention import exposure_permille
from foretide.observation import Observation
from foretide.pairing import Pairing, TaskTimes
from foretide.results import Environment, RunResult
from foretide.signature import Signature
from foretide_kube.client import Object
from foretide_kube.ended_pods import (
    bound_milliseconds,
    failure_reason,
    fitting_prediction,
    pairing_of,
    terminated_state,
)
from foretide_kube.kinds.aiworkload import AIWorkload, workload_key
from foretide_kube.names import ANNOTATION_PAIRED, ANNOTATION_PREDICTION, LABEL_ROLE, LABEL_WORKLOAD, ROLE_RUN
from foretide_kube.quantity import QuantityError, millis
from foretide_kube.times import epoch_milliseconds
from foretide_operator.co_runners import Company
from foretide_operator.forecasting import runtime_of, workload_column
from foretide_operator.outcome import Done, Failed, read_result
from foretide_operator.pairing.watch import Told

Ending = Literal["Paired", "Unpredicted", "PredictionRefused", "Failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What an ended Pod tells. ``row`` is for the training table, ``pairing`` for metrics and summaries.

    ``workload_uid`` is that of the AIWorkload that it ran for, empty if that is gone; ``environment`` what the runner
    says that it ran on, and ``told`` what the task says of its class's profile, None where there is none.
    """

    namespace: str
    name: str
    uid: str
    workload: str
    workload_uid: str
    node_class: str
    ending: Ending
    reason: str = ""
    pairing: Pairing | None = None
    row: Observation | None = None
    environment: Environment | None = None
    told: Told | None = None


def is_waiting_to_be_paired(pod: Object) -> bool:
    """Whether a Pod is an ended task that was not paired yet."""
    labels = pod["metadata"].get("labels", {})
    return (
        pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        and LABEL_WORKLOAD in labels
        and labels.get(LABEL_ROLE, ROLE_RUN) == ROLE_RUN
        and ANNOTATION_PAIRED not in pod["metadata"].get("annotations", {})
    )


def may_be_predicted_yet(pod: Object) -> bool:
    """Whether an ended Pod's prediction may still come: it ran on a node and has none, the planner may be behind."""
    return ANNOTATION_PREDICTION not in pod["metadata"].get("annotations", {}) and bool(pod["spec"].get("nodeName"))


def ran_for(pod: Object, workload: AIWorkload) -> bool:
    """Whether a Pod with the workload's name ran for this very AIWorkload: one that is older ran for a namesake."""
    made = epoch_milliseconds(pod["metadata"].get("creationTimestamp"))
    since = epoch_milliseconds(workload.metadata.creation_timestamp)
    return made is None or since is None or made >= since


def task_times(pod: Object, *, work_begin_milliseconds: int, work_end_milliseconds: int) -> TaskTimes | None:
    """When an ended Pod did its work, its node's clock held against the API's; None if the API does not say enough."""
    bound = bound_milliseconds(pod)
    ended = epoch_milliseconds((terminated_state(pod) or {}).get("finishedAt"))
    if bound is None or ended is None:
        return None
    return TaskTimes.of(
        bound_milliseconds=bound,
        ended_milliseconds=ended,
        work_begin_milliseconds=work_begin_milliseconds,
        work_end_milliseconds=work_end_milliseconds,
    )


def read_ended(
    pod: Object,
    workload: AIWorkload | None,
    node_class: str | None,
    signature: Signature | None,
    company: Company | None = None,
) -> Ended:
    """What the Pod tells; ``node_class`` is that of its node, ``workload`` that which it `ran_for`, if still there.

    ``company`` is who was beside it, None where that is not known.
    """
    metadata = pod["metadata"]
    base = Ended(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        workload=metadata["labels"][LABEL_WORKLOAD],
        workload_uid=workload.metadata.uid if workload is not None else "",
        node_class=node_class or "",
        ending="Unpredicted",
    )
    result = read_result(pod, expected=RunResult, signature=signature)
    if pod.get("status", {}).get("phase") == "Failed":
        said = result.reason if isinstance(result, Failed) and result.reason != "ResultMissing" else ""
        return replace(base, ending="Failed", reason=failure_reason(pod, said))
    run = result.result if isinstance(result, Done) and isinstance(result.result, RunResult) else None
    row = _row(pod, workload, node_class, signature, run, company=company)
    base = replace(base, environment=run.environment if run is not None else None)
    text = metadata.get("annotations", {}).get(ANNOTATION_PREDICTION)
    if text is None:
        return replace(base, row=row)
    prediction, problem = fitting_prediction(pod, text, node_class)
    if prediction is None:
        return replace(base, ending="PredictionRefused", reason=problem, row=row)
    if prediction.pull_milliseconds > 0 and row is not None:  # what is learned is how long a start without a pull takes
        row = msgspec.structs.replace(row, startup_milliseconds=None)
    deadline = workload.spec.objective.deadline_milliseconds if workload is not None else None
    pairing = pairing_of(pod, prediction, run, deadline_milliseconds=deadline)
    if pairing is None:
        return replace(base, reason="EndUnknown", row=row)
    return replace(base, ending="Paired", pairing=pairing, row=row)


def _row(
    pod: Object,
    workload: AIWorkload | None,
    node_class: str | None,
    signature: Signature | None,
    run: RunResult | None,
    *,
    company: Company | None,
) -> Observation | None:
    """What is learned from the Pod: the mean time of its inferences, and what starting it took."""
    cpu_millis = _cpu_millis(pod)
    if run is None or workload is None or signature is None or not node_class or cpu_millis is None:
        return None
    work_milliseconds = run.work_end - run.work_begin
    if work_milliseconds <= 0:
        return None
    times = task_times(pod, work_begin_milliseconds=run.work_begin, work_end_milliseconds=run.work_end)
    metadata = workload.metadata
    return Observation(
        workload=workload_column(metadata.namespace, metadata.name, workload_key(workload.spec)),
        node_class=node_class,
        signature=signature,
        precision=workload.spec.precision,
        cpu_millis=cpu_millis,
        inference_microseconds=max(1, round(1000 * work_milliseconds / run.inferences)),
        startup_milliseconds=times.startup_milliseconds if times is not None else None,
        memory_peak_bytes=run.memory_peak_bytes or None,
        exposure_permille=_exposure_permille(cpu_millis, run, company),
        runtime=runtime_of(workload.spec),
        origin="Run",
        # By the API's clock where the node's is off, as measurements have it: what came first is told by these.
        observed_milliseconds=run.work_end if times is None else times.end_milliseconds,
    )


def _exposure_permille(cpu_millis: int, run: RunResult, company: Company | None) -> int | None:
    if company is None:
        return None
    return exposure_permille(
        cpu_millis,
        company.allocatable_millis,
        company.others,
        begin_milliseconds=run.work_begin,
        end_milliseconds=run.work_end,
    )


def _cpu_millis(pod: Object) -> int | None:
    total = 0
    for container in pod["spec"].get("containers", []):
        try:
            total += millis(container.get("resources", {}).get("limits", {})["cpu"])
        except (KeyError, QuantityError):
            return None
    return total or None
