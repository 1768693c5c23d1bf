"""What must hold when all is healed, as pure checks over what was witnessed and what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload
from foretide_kube.names import ANNOTATION_PAIRED, LABEL_MANAGED_BY, LABEL_NODE_CLASS, LABEL_ROLE, MANAGED_BY, ROLE_RUN
from foretide_operator.outcome import finished_condition
from foretide_operator.pairing.ended import is_waiting_to_be_paired, ran_for, read_ended
from foretide_operator.pairing.ledger import Ledger
from tests.chaos.witness import purpose_of
from tests.faults.burst import has_ended, has_succeeded, is_gated

INDEX: Final = "batch.kubernetes.io/job-completion-index"
TASK_LABEL: Final = "foretide.dev/workload"
PLANNER_LEASE: Final = "foretide-planner"

_TRUE_OF_A_WORKLOAD: Final = ("Inspected", "Profiled", "Predicted", "Admissible", "Ready")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was witnessed and what is there.

    ``pods`` and ``jobs`` are all that ever were; the UIDs ``gone`` are there no more, and the Pods ``let_go`` were
    given up by their Job before they had ended; ``forgotten`` are AIWorkloads and Jobs that users deleted, of which
    nothing is expected. ``present`` are the objects that are there, with those that can own them. ``metric_tasks`` are
    the tasks that the operator has counted since it was started, and ``metric_bounds`` the least and the most that it
    should have.
    """

    pods: tuple[Object, ...]
    jobs: tuple[Object, ...]
    gone: frozenset[str]
    let_go: frozenset[str]
    forgotten: frozenset[str]
    rivals: tuple[str, ...]
    workloads: tuple[Object, ...]
    node_classes: tuple[Object, ...]
    model: Object | None
    nodes: tuple[Object, ...]
    present: tuple[Object, ...]
    leases: tuple[Object, ...]
    ledger: Ledger
    metric_tasks: float
    metric_bounds: tuple[int, int]
    unsteady: tuple[str, ...]
    """Containers of ours that are not ready, or that were restarted since they should be at rest."""


Check = Callable[[Facts], Iterator[str]]


def lost(facts: Facts) -> Iterator[str]:
    """Tasks that were never done: of each Job that nobody deleted every index succeeds."""
    for job in expected_jobs(facts):
        name, wanted = job["metadata"]["name"], job["spec"]["completions"]
        if job["metadata"]["uid"] in facts.gone:
            yield f"Job {name} is gone, and nobody deleted it"
            continue
        indexes = {
            pod["metadata"]["annotations"][INDEX] for pod in facts.pods if is_of(pod, job) and has_succeeded(pod)
        }
        ended = finished_condition(job)
        if ended is None or ended["type"] != "Complete":
            why = ended.get("message", "") if ended is not None else "it has not ended"
            missing = max(1, wanted - job.get("status", {}).get("succeeded", 0))
            for _ in range(missing):
                yield f"a task of Job {name}, of {wanted}: {why}"
        else:
            for index in sorted(set(map(str, range(wanted))) - indexes):
                yield f"task {index} of Job {name}: complete, and no Pod of it has succeeded"


def duplicated_indexes(facts: Facts) -> Iterator[str]:
    """Tasks that were done more than once, of any Job, but for Pods that it had given up."""
    names = {job["metadata"]["uid"]: job["metadata"]["name"] for job in facts.jobs}
    kept = (pod for pod in facts.pods if pod["metadata"]["uid"] not in facts.let_go)
    for (uid, index), times in _times_done(kept).items():
        if times > 1:
            yield f"task {index} of Job {names.get(uid, uid)} was done {times} times"


def done_though_given_up(facts: Facts) -> int:
    """Tasks that were done more than once since one of their Pods ended well after their Job had given it up."""
    return sum(times > 1 for times in _times_done(facts.pods).values()) - len(list(duplicated_indexes(facts)))


def _times_done(pods: Iterable[Object]) -> Counter[tuple[str, str]]:
    """How often each index was done, by Job's UID."""
    return Counter(
        (owner_uid(pod), pod["metadata"]["annotations"][INDEX])
        for pod in pods
        if has_succeeded(pod) and INDEX in pod["metadata"].get("annotations", {})
    )


def unpaired(facts: Facts) -> Iterator[str]:
    """Ended Pods without mark, and sums that do not say what the marked Pods do.

    A Pod that was deleted before it was marked, as those of a Node that is removed are, may have been counted or not.
    """
    for pod in there(facts):
        if is_waiting_to_be_paired(pod):
            yield f"Pod {pod['metadata']['name']} has ended and is not paired"
    class_of = {node["metadata"]["name"]: node["metadata"]["labels"].get(LABEL_NODE_CLASS) for node in facts.nodes}
    for item in facts.workloads:
        workload = aiworkload.parse(item)
        metadata = workload.metadata
        sure = perhaps = 0
        for pod in facts.pods:
            if not is_task(pod) or not has_ended(pod) or not _belongs(pod, item) or not ran_for(pod, workload):
                continue
            ended = read_ended(pod, workload, class_of.get(pod["spec"].get("nodeName")), workload.status.signature)
            if ended.ending == "Paired":
                is_marked = ANNOTATION_PAIRED in pod["metadata"]["annotations"]
                sure, perhaps = sure + is_marked, perhaps + (not is_marked)
        prefix = f"{metadata.uid}/"
        counted = sum(sums.count for key, sums in facts.ledger.sums.items() if key.startswith(prefix))
        if not sure <= counted <= sure + perhaps:
            yield f"AIWorkload {metadata.name}: {sure} of its tasks are paired, the sums count {counted}"
    least, most = facts.metric_bounds
    if not least <= facts.metric_tasks <= most:
        yield f"the metrics count {facts.metric_tasks:.0f} tasks since the start, {least} to {most} were paired"


def orphans(facts: Facts) -> Iterator[str]:
    """What nobody owns any more, tasks that still wait behind our gate, and Jobs that were made twice."""
    uids = {item["metadata"]["uid"] for item in facts.present}
    for item in facts.present:
        metadata = item["metadata"]
        owners = metadata.get("ownerReferences", [])
        name = f"{item['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        if owners and not any(owner["uid"] in uids for owner in owners):
            yield f"{name}: its owner is gone"
        is_ours = metadata.get("labels", {}).get(LABEL_MANAGED_BY) == MANAGED_BY
        if is_ours and not owners and item["kind"] in {"Job", "WorkloadProfile", "Deployment"}:
            yield f"{name}: ours, and nobody's"
        if item["kind"] == "Pod" and is_gated(item):
            yield f"{name}: still behind our gate"
    yield from facts.rivals
    made = Counter(purpose for job in facts.jobs if (purpose := purpose_of(job)) is not None and purpose[1] == ROLE_RUN)
    for (owner, *_, key), times in made.items():
        if times > 1:
            yield f"the run {key} of AIWorkload {owner} was made {times} times"


def conditions(facts: Facts) -> Iterator[str]:
    """Conditions that are not as they must be, or do not speak of the present specification."""
    for item in facts.workloads:
        wanted = [*_TRUE_OF_A_WORKLOAD, *(["RunComplete"] if item["spec"].get("run", {}).get("mode") == "Job" else [])]
        yield from _not_true(item, wanted)
    ready = Counter(
        node["metadata"]["labels"].get(LABEL_NODE_CLASS)
        for node in facts.nodes
        if any(row["type"] == "Ready" and row["status"] == "True" for row in node["status"].get("conditions", []))
    )
    for item in facts.node_classes:
        name = item["metadata"]["name"]
        yield from _not_true(item, ("NodesSelected", "Probed", "Unambiguous", "Ready"))
        said = item.get("status", {}).get("nodes", {}).get("ready")
        if said != ready[name]:
            yield f"NodeClass {name}: says {said} nodes Ready, {ready[name]} are"
    if facts.model is None:
        yield "there is no CompletionTimeModel"
    else:
        yield from _not_true(facts.model, ("Trained", "ArtefactValid", "Ready"))


def leases(facts: Facts) -> Iterator[str]:
    """Leases that are held by who is not there."""
    names = [item["metadata"]["name"] for item in facts.present if item["kind"] == "Pod"]
    if not any(lease["metadata"]["name"] == PLANNER_LEASE for lease in facts.leases):
        yield f"there is no Lease {PLANNER_LEASE}"
    for lease in facts.leases:
        holder = lease["spec"].get("holderIdentity") or ""
        if not any(holder.startswith(name) for name in names):
            yield f"Lease {lease['metadata']['name']}: held by {holder or 'nobody'}, which is not there"


def restarting(facts: Facts) -> Iterator[str]:
    """Containers of ours that do not come to rest."""
    yield from facts.unsteady


CHECKS: Final[Mapping[str, Check]] = {
    "lost": lost,
    "duplicated_indexes": duplicated_indexes,
    "unpaired": unpaired,
    "orphans": orphans,
    "conditions": conditions,
    "leases": leases,
    "restarting": restarting,
}


def judge(facts: Facts) -> dict[str, list[str]]:
    """What is wrong, by check; empty lists where nothing is."""
    return {name: list(check(facts)) for name, check in CHECKS.items()}


def expected_jobs(facts: Facts) -> list[Object]:
    """The Jobs of tasks that nobody deleted."""
    return [
        job
        for job in facts.jobs
        if job["spec"].get("completionMode") == "Indexed"
        and not {job["metadata"]["uid"], owner_uid(job)} & facts.forgotten
    ]


def tasks_done(facts: Facts) -> int:
    """Tasks that were done, deleted Jobs' included."""
    return len(
        {
            (owner_uid(pod), pod["metadata"]["annotations"].get(INDEX))
            for pod in facts.pods
            if is_task(pod) and has_succeeded(pod)
        }
    )


def there(facts: Facts) -> Iterable[Object]:
    """The Pods that are there now."""
    return (pod for pod in facts.pods if pod["metadata"]["uid"] not in facts.gone)


def is_task(pod: Object) -> bool:
    """Whether a Pod performs a task."""
    labels = pod["metadata"].get("labels", {})
    return bool(TASK_LABEL in labels and labels.get(LABEL_ROLE, ROLE_RUN) == ROLE_RUN)


def is_of(pod: Object, job: Object) -> bool:
    """Whether a Pod is one of a Job's."""
    return bool(owner_uid(pod) == job["metadata"]["uid"])


def owner_uid(item: Object) -> str:
    """The UID of who controls an object; empty where nobody does."""
    owners = item["metadata"].get("ownerReferences", [])
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _belongs(pod: Object, workload: Object) -> bool:
    metadata = pod["metadata"]
    place = (metadata["namespace"], metadata["labels"][TASK_LABEL])
    return bool(place == (workload["metadata"]["namespace"], workload["metadata"]["name"]))


def _not_true(item: Object, wanted: Iterable[str]) -> Iterator[str]:
    rows = {row["type"]: row for row in item.get("status", {}).get("conditions", [])}
    name, generation = f"{item['kind']} {item['metadata']['name']}", item["metadata"]["generation"]
    for kind in wanted:
        row = rows.get(kind)
        if row is None:
            yield f"{name}: says nothing of {kind}"
        elif row["status"] != "True":
            yield f"{name}: {kind} is {row['status']}, {row['reason']}: {row['message']}"
        elif row.get("observedGeneration") != generation:
            yield f"{name}: {kind} speaks of generation {row.get('observedGeneration')}, it is {generation}"
