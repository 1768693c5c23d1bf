"""Every name that the parts share with each other and with users: groups, resources, labels, annotations, gates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

GROUP: Final = "foretide.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
SCHEDULER_NAME: Final = "foretide-scheduler"

LABEL_NODE_CLASS: Final = "foretide.dev/node-class"
"""On Nodes: the name of the node class. Nodes that carry it get their NodeClass made for them."""
LABEL_WORKLOAD: Final = "foretide.dev/workload"
"""On Pods and their Jobs: the name of the AIWorkload in the same namespace."""
LABEL_ROLE: Final = "foretide.dev/role"
"""On what the operator makes: one of the ROLE_ values. A user's own pods carry none and count as ROLE_RUN."""
LABEL_JOB_NODE_CLASS: Final = "foretide.dev/job-node-class"
"""On profile and probe Jobs and their Pods: the node class that is measured."""
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "foretide"

ROLE_INSPECT: Final = "inspect"
ROLE_PROFILE: Final = "profile"
ROLE_PROBE: Final = "probe"
ROLE_RUN: Final = "run"

CONTAINER: Final = "profiler"
"""In every Pod that the operator has made: the container whose end and last words are the Pod's."""

ANNOTATION_PREDICTION: Final = "foretide.dev/prediction"
"""On Pods, written by the planner with the opening of the gate or after the bind:
`foretide.prediction.PodPrediction` as JSON."""
ANNOTATION_PAIRED: Final = "foretide.dev/paired"
"""On finished Pods, written by the operator when the actual was held against the prediction: the RFC 3339 time."""
ANNOTATION_PLANNED_NODE: Final = "foretide.dev/planned-node"
"""On Pods, written by the planner with the opening of the gate: the node that the extender prefers."""
ANNOTATION_PLAN: Final = "foretide.dev/plan"
"""On Pods, written by the planner: `foretide_kube.pod_plan.PodPlan` as JSON, for people and for a later planner."""
ANNOTATION_INFERENCES: Final = "foretide.dev/inferences"
"""On a user's own Pods: how many inferences this task performs, where it differs from the workload's."""
ANNOTATION_IMPORTED: Final = "foretide.dev/imported-from"
"""On WorkloadProfiles that `foretide import` made: the cluster that they are from, and the time of its export."""
ANNOTATION_KEY: Final = "foretide.dev/key"
"""On Jobs: the digest of what the Job was made for; a Job of another key is stale."""
GATE_PLAN: Final = "foretide.dev/plan"
"""The scheduling gate behind which tasks wait for the planner."""

RESOURCE_TASK: Final = "foretide.dev/task"
"""What a task requests for the cluster's own scheduler to ask the extender about it (external mode). No node has it:
that scheduler, kubelet and we leave it out where it is judged whether a Pod fits."""

IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
"""What a kubelet says of a container that waits for an image which is not to be had."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object as the API addresses it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`group/version`, or `version` alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


AIWORKLOADS: Final = Resource(GROUP, VERSION, "aiworkloads", "AIWorkload")
NODE_CLASSES: Final = Resource(GROUP, VERSION, "nodeclasses", "NodeClass", namespaced=False)
WORKLOAD_PROFILES: Final = Resource(GROUP, VERSION, "workloadprofiles", "WorkloadProfile")
COMPLETION_TIME_MODELS: Final = Resource(
    GROUP, VERSION, "completiontimemodels", "CompletionTimeModel", namespaced=False
)
PODS: Final = Resource("", "v1", "pods", "Pod")
NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
PRIORITY_CLASSES: Final = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
EVENTS: Final = Resource("", "v1", "events", "Event")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")

MAX_CHILD_NAME: Final = 52
"""Longest name of a Job: its Pods append a suffix and must stay within 63 characters."""


def child_name(parent: str, role: str, key: str) -> str:
    """A deterministic name for a child: readable start, role, and a digest of everything.

    The same (parent, role, key) always gives the same name, so that a Job is made once whatever restarts.
    """
    digest = hashlib.sha256(f"{parent}\0{role}\0{key}".encode()).hexdigest()[:10]
    room = MAX_CHILD_NAME - len(role) - len(digest) - 2
    return f"{parent[:room].rstrip('-.')}-{role}-{digest}"
