"""`foretide doctor` on objects as the API gives them: silent on what is well, and each mistake is named and mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from foretide_cli.doctor.command import doctor
from foretide_kube.client import ApiError, Object
from release.versions import version
from tests.chart.rendering import NAMESPACE
from tests.cli.healthy_cluster import CALLED, EXTERNAL, OLD, READY, HealthyCluster, condition, part_of, task, waiting
from tests.cli.shown import Shown
from tests.extender.cluster_values import NOW_SECONDS, class_object
from tests.planner.planner_values import time_text

RUNNING = {"phase": "Running", "conditions": READY}
LATER = time_text(NOW_SECONDS - 30)


def run(cluster: HealthyCluster) -> tuple[int, Shown]:
    shown = Shown()
    client: Any = cluster
    status = doctor(
        client,
        "team",
        system_namespace=NAMESPACE,
        get=cluster.get_in_pod,
        clock=lambda: 0.0,
        show=shown,
    )
    return status, shown


def findings(cluster: HealthyCluster) -> list[Object]:
    told = run(cluster)[1].document
    return [finding for check in told["checks"] for finding in check["findings"]]


@pytest.mark.parametrize(
    "values", [(), EXTERNAL, ("scheduler.mode=none",), ("scheduler.replicas=2",), ("watchNamespaces={team}",)]
)
def test_a_healthy_cluster_has_no_findings(values: tuple[str, ...]) -> None:
    cluster = HealthyCluster(*values)
    if values == EXTERNAL:
        cluster.items["pods"][0] = asking(task())
    status, shown = run(cluster)
    told = shown.document
    assert [finding for check in told["checks"] for finding in check["findings"]] == []
    assert {check["outcome"] for check in told["checks"]} == {"Healthy"}
    assert (status, told["missingRights"]) == (0, [])
    assert told["namespace"] == NAMESPACE
    assert told["kubernetesVersion"] == "v1.36.2"


def asking(pod: Object) -> Object:
    """A task of external mode."""
    pod["spec"]["containers"][0]["resources"] = {"limits": {"foretide.dev/task": "1"}}
    pod["spec"]["schedulerName"] = "default-scheduler"
    return pod


Spoil = Callable[[HealthyCluster], object]


def drop(plural: str, name: str) -> Spoil:
    return lambda cluster: cluster.items[plural].remove(cluster.one(plural, name))


def add(plural: str, item: Object) -> Spoil:
    return lambda cluster: cluster.items[plural].append(item)


def label(node: str, **labels: str) -> Spoil:
    """Labels of a node in place of its class."""

    def spoil(cluster: HealthyCluster) -> None:
        cluster.node(node)["metadata"]["labels"] = labels

    return spoil


def container(deployment: str, name: str, **status: Any) -> Spoil:
    """A container of a part that is in another state, and its Deployment not available for it."""

    def spoil(cluster: HealthyCluster) -> None:
        pod = cluster.part(deployment)
        pod["status"]["conditions"] = [condition("Ready", "False"), condition("PodScheduled", "True")]
        one = next(each for each in pod["status"]["containerStatuses"] if each["name"] == name)
        one |= {"ready": False, **status}
        cluster.one("deployments", deployment)["status"] = {"availableReplicas": 0}

    return spoil


def condition_of_workload(kind: str, status: str, reason: str, message: str = "for a cause") -> Spoil:
    def spoil(cluster: HealthyCluster) -> None:
        rows = cluster.workload()["status"]["conditions"]
        rows[:] = [each for each in rows if each["type"] != kind] + [condition(kind, status, reason, message)]

    return spoil


def second_installation(cluster: HealthyCluster) -> None:
    for each in HealthyCluster().items["deployments"]:
        each["metadata"]["namespace"] = "other"
        each["metadata"]["labels"]["app.kubernetes.io/instance"] = "second"
        cluster.items["deployments"].append(each)


def uninstalled(cluster: HealthyCluster) -> None:
    cluster.items["deployments"].clear()
    cluster.items["pods"][1:] = []


def without_a_kind(cluster: HealthyCluster) -> None:
    del (cluster.openapi or {})["components"]["schemas"]["dev.foretide.v1alpha1.NodeClass"]


def older_definitions(cluster: HealthyCluster) -> None:
    schema = (cluster.openapi or {})["components"]["schemas"]["dev.foretide.v1alpha1.AIWorkload"]
    del schema["properties"]["status"]["properties"]["service"]


def failing_open(cluster: HealthyCluster) -> None:
    opened = 'foretide_extender_fail_open_total{verb="filter",reason="Overloaded"} 5.0\n'
    cluster.said["/metrics"] = (200, f"{CALLED}{opened}".encode())


def unreachable(cluster: HealthyCluster) -> None:
    cluster.said["/readyz"] = ApiError(0, "NotForwarded", "port 8082 of Pod x: connection refused")


def kubernetes(version: str) -> Spoil:
    """Another version of the API server, with a scheduler that suits it."""

    def spoil(cluster: HealthyCluster) -> None:
        cluster.version = version
        image_of_scheduler(f"registry.k8s.io/kube-scheduler:{version.partition('+')[0]}")(cluster)

    return spoil


def without_definitions(cluster: HealthyCluster) -> None:
    cluster.openapi = None


def image_of_scheduler(image: str) -> Spoil:
    def spoil(cluster: HealthyCluster) -> None:
        containers = cluster.one("deployments", "foretide-scheduler")["spec"]["template"]["spec"]["containers"]
        next(each for each in containers if each["name"] == "kube-scheduler")["image"] = image

    return spoil


def said(path: str, status: int, body: str) -> Spoil:
    def spoil(cluster: HealthyCluster) -> None:
        cluster.said[path] = (status, body.encode())

    return spoil


def never_asked(cluster: HealthyCluster) -> None:
    cluster.said["/metrics"] = (200, b'foretide_extender_request_duration_seconds_count{verb="filter"} 0.0\n')
    row = {"type": "PodScheduled", "status": "True", "lastTransitionTime": LATER}
    cluster.items["pods"][0]["status"]["conditions"] = [row]


def gone_planner(cluster: HealthyCluster) -> None:
    container("foretide-operator", "planner")(cluster)
    container("foretide-operator", "operator")(cluster)
    cluster.items["pods"].append(waiting("gated", schedulingGates=[{"name": "foretide.dev/plan"}]))


def without_class(cluster: HealthyCluster) -> None:
    cluster.node("bare")["spec"]["taints"] = []


def no_class_at_all(cluster: HealthyCluster) -> None:
    cluster.items["nodeclasses"].clear()
    for node in cluster.items["nodes"]:
        node["metadata"]["labels"] = {}


def other_version(cluster: HealthyCluster) -> None:
    cluster.one("deployments", "foretide-operator")["metadata"]["labels"]["app.kubernetes.io/version"] = "9.9.9"


def pushed_anew(cluster: HealthyCluster) -> None:
    for node in cluster.items["nodes"]:
        node["status"]["nodeInfo"] = {"architecture": "amd64"}
    status = cluster.part("foretide-operator")["status"]["containerStatuses"][1]
    status["imageID"] = f"registry.example/a@sha256:{'1' * 64}"


def insufficient(cluster: HealthyCluster) -> None:
    pod = asking(waiting())
    pod["status"]["conditions"] = [
        condition("PodScheduled", "False", "Unschedulable", "0/6 nodes: 6 Insufficient foretide.dev/task.")
    ]
    cluster.items["pods"].append(pod)


def without_label() -> Object:
    pod = task("bare")
    pod["metadata"]["labels"] = {}
    return pod


def with_inferences(text: str) -> Object:
    pod = task("many")
    pod["metadata"]["annotations"] = {"foretide.dev/inferences": text}
    return pod


def probe_without_image(cluster: HealthyCluster) -> None:
    rows = cluster.one("nodeclasses", "slow")["status"]["conditions"]
    rows[:] = [condition("Probed", "Unknown", "ImageMissing", "foretide/profiler:1-onnx: not found")]


def task_image(image: str) -> Spoil:
    pod = task("pulls")
    pod["status"] = {
        "phase": "Pending",
        "conditions": READY[1:],
        "containerStatuses": [
            {
                "name": "main",
                "image": image,
                "ready": False,
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
            }
        ],
    }
    return add("pods", pod)


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}
NOT_PULLED = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}
PINNED = f"registry.example/runner@sha256:{'a' * 64}"
AUTOSCALER = {
    "metadata": {"name": "cluster-autoscaler", "namespace": "kube-system"},
    "spec": {
        "template": {"spec": {"containers": [{"image": "registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.0"}]}}
    },
}

MISTAKES: list[tuple[str, Spoil, str, tuple[str, ...]]] = [
    # The ten likeliest.
    (
        "wrong label",
        label("slow-2", **{"foretide.dev/nodeclass": "slow"}),
        "Error LabelMisspelt",
        (
            "Node slow-2: metadata.labels[foretide.dev/nodeclass] = slow",
            "kubectl label node slow-2 foretide.dev/node-class=slow foretide.dev/nodeclass-",
        ),
    ),
    (
        "no scheduler name",
        add("pods", task("plain", schedulerName="default-scheduler")),
        "Warning NotPlacedByPrediction",
        ("Pod team/plain: spec.schedulerName = default-scheduler", "schedulerName: foretide-scheduler"),
    ),
    (
        "missing image",
        container("foretide-operator", "operator", state=NOT_PULLED),
        "Error ImageMissing",
        (
            f"spec.containers[operator].image = docker.io/foretide/operator:{version()}",
            "manifest unknown",
            "docs/install.md",
        ),
    ),
    (
        "RBAC cut",
        lambda cluster: cluster.lacking.update({"foretide-operator create jobs.batch"}),
        "Error RightsMissing",
        ("ServiceAccount foretide-system/foretide-operator: RBAC = create jobs.batch", "helm upgrade foretide"),
    ),
    (
        "CRDs absent",
        without_definitions,
        "Error DefinitionMissing",
        ("CustomResourceDefinition aiworkloads.foretide.dev", "kubectl apply --server-side -f crds/"),
    ),
    (
        "wrong digest",
        condition_of_workload("Inspected", "False", "ModelDigestMismatch", "spec.model.file.sha256 is a, b was read"),
        "Error ModelDigestMismatch",
        ("AIWorkload team/resnet: status.conditions[Inspected]", "sha256 is a, b was read", "sha256sum FILE"),
    ),
    (
        "class without nodes",
        add(
            "nodeclasses",
            class_object("fast") | {"metadata": {"name": "none"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}},
        ),
        "Warning ClassWithoutNodes",
        ("NodeClass none: spec.selector = a=b", "kubectl label node NODE a=b, or: kubectl delete nclass none"),
    ),
    (
        "extender unreachable",
        unreachable,
        "Error ExtenderUnreachable",
        ("Pod foretide-system/foretide-scheduler-0", "connection refused", "logs foretide-scheduler-0 -c extender"),
    ),
    (
        "old Kubernetes",
        kubernetes("v1.28.3+k3s1"),
        "Error KubernetesTooOld",
        ("API server: /version gitVersion = v1.28.3+k3s1", "1.30 or newer", "docs/install.md#what-it-needs"),
    ),
    (
        "two installations",
        second_installation,
        "Error TwoInstallations",
        (
            "Deployment other/foretide-operator: metadata.labels[app.kubernetes.io/instance] = second",
            "helm uninstall second --namespace other",
        ),
    ),
    # Others.
    ("not installed", uninstalled, "Error NotInstalled", ("helm install foretide charts/foretide",)),
    (
        "a part deleted",
        drop("deployments", "foretide-scheduler"),
        "Error PartMissing",
        ("foretide-scheduler", "helm upgrade"),
    ),
    ("one definition absent", without_a_kind, "Error DefinitionMissing", ("nodeclasses.foretide.dev",)),
    ("definitions of another version", older_definitions, "Error DefinitionOutdated", ("status.service", "crds/")),
    (
        "a part that crashes",
        container(
            "foretide-operator",
            "planner",
            state=BACK_OFF,
            restartCount=7,
            lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        ),
        "Error Crashing",
        ("started 7 times", "OOMKilled, exit status 137", "-c planner --previous"),
    ),
    (
        "policy deleted",
        drop("validatingadmissionpolicybindings", "foretide-operator-pods"),
        "Warning PolicyMissing",
        ("helm upgrade",),
    ),
    ("policy never made", drop("validatingadmissionpolicies", "foretide-operator-jobs"), "Warning PolicyMissing", ()),
    ("untested Kubernetes", kubernetes("v1.41.0"), "Warning KubernetesUntested", ("v1.41.0", "allowUntestedVersion")),
    (
        "scheduler newer than the cluster",
        image_of_scheduler("registry.k8s.io/kube-scheduler:v1.37.0"),
        "Error SchedulerVersion",
        ("kube-scheduler:v1.37.0", "binds nothing", "--set scheduler.image.tag=v1.36.2"),
    ),
    (
        "scheduler newer than the cluster, by digest",
        image_of_scheduler(f"registry.k8s.io/kube-scheduler:v1.37.0@sha256:{'1' * 64}"),
        "Error SchedulerVersion",
        ("kube-scheduler:v1.37.0", "binds nothing", "--set scheduler.image.tag=v1.36.2 --set scheduler.image.digest="),
    ),
    ("other version installed", other_version, "Warning CommandVersion", ("9.9.9 is installed",)),
    (
        "a tag pushed anew",
        pushed_anew,
        "Warning ImageDigestsDiffer",
        ("2 different builds", "rollout restart deployment"),
    ),
    (
        "extender not ready",
        said("/readyz", 503, "not listed yet: pods\n"),
        "Error ExtenderNotReady",
        ("not listed yet",),
    ),
    ("extender never asked", never_asked, "Error NotAsked", ("Pod team/mine-1", "-c kube-scheduler")),
    (
        "extender that heard nothing",
        said("/metrics", 200, CALLED + 'foretide_extender_watch_age_seconds{resource="leases"} 900.0\n'),
        "Warning ExtenderStale",
        ("{resource=leases} = 900",),
    ),
    (
        "extender that fails open",
        failing_open,
        "Warning FailsOpen",
        ("5, mostly Overloaded", "of 12 filter calls", "docs/scheduling.md#failing-open"),
    ),
    (
        "unusable class name",
        label("slow-2", **{"foretide.dev/node-class": "Slow_2"}),
        "Error NodeClassNameInvalid",
        ("=slow-2",),
    ),
    ("node without class", without_class, "Note NodesWithoutClass", ("Node bare", "kubectl label node bare")),
    ("no class at all", no_class_at_all, "Error NodesWithoutClass", ("5 of 6 nodes", "docs/kinds.md#nodeclass")),
    ("class nobody measured on", drop("workloadprofiles", "slow"), "Note ClassUnprofiled", ("NodeClass slow",)),
    (
        "workload no class can run",
        condition_of_workload("Admissible", "False", "TooLargeForEveryNode", "no node has accepted it"),
        "Error TooLargeForEveryNode",
        ("lower spec.resources.limits",),
    ),
    (
        "workload that waits for its image",
        condition_of_workload("Inspected", "Unknown", "ImageMissing", "a:1: not found"),
        "Warning ImageMissing",
        ("a:1: not found", "pull secrets"),
    ),
    ("operator that looks at nothing", lambda c: c.workload().pop("status"), "Error OperatorSilent", ("3600 s",)),
    (
        "unreadable workload",
        lambda c: c.workload()["spec"].update(inferences="many"),
        "Warning Unreadable",
        ("inferences",),
    ),
    (
        "misspelt scheduler",
        add("pods", waiting(schedulerName="foretide-sheduler")),
        "Error PodStranded",
        ("spec.schedulerName = foretide-sheduler", "schedulerName: foretide-scheduler"),
    ),
    (
        "scheduler that looks at nothing",
        add("pods", waiting()),
        "Error PodStranded",
        (
            "spec.schedulerName = foretide-scheduler",
            "its scheduler has not tried",
            "kubectl -n foretide-system get pods",
        ),
    ),
    ("gated without a planner", gone_planner, "Error GateWithoutPlanner", ("foretide release --all-namespaces",)),
    (
        "label of no workload",
        add("pods", task("lost", workload="resnt")),
        "Warning WorkloadUnknown",
        ("resnt", "get aiw"),
    ),
    ("task's image", task_image("registry.example/runner:none"), "Error ImageMissing", ("runner:none", "not found")),
    ("no label", add("pods", without_label()), "Warning LabelMissing", ("Pod team/bare", "docs/kinds.md#aiworkload")),
    (
        "unreadable inferences",
        add("pods", with_inferences("some")),
        "Warning InferencesUnreadable",
        ("Pod team/many: metadata.annotations[foretide.dev/inferences] = some", "write a whole number"),
    ),
    (
        "probe without an image",
        probe_without_image,
        "Error ImageMissing",
        ("NodeClass slow: status.conditions[Probed] = Unknown", "foretide/profiler:1-onnx: not found"),
    ),
    ("task's digest", task_image(PINNED), "Error ImageDigestMissing", (PINNED, "describe pod pulls")),
    (
        "autoscaler",
        add("deployments", AUTOSCALER),
        "Note AutoscalerSeesOpenedTasks",
        ("Deployment kube-system/cluster-autoscaler",),
    ),
    (
        "karpenter",
        lambda c: c.groups.append("karpenter.sh"),
        "Note AutoscalerSeesOpenedTasks",
        ("API group karpenter.sh",),
    ),
    (
        "caller without rights",
        lambda c: c.lacking.add("you create aiworkloads.foretide.dev"),
        "Note CallerMayNot",
        ("in namespace team",),
    ),
]


@pytest.mark.parametrize(("spoil", "kind", "words"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_named_with_its_remedy(spoil: Spoil, kind: str, words: tuple[str, ...]) -> None:
    cluster = HealthyCluster()
    spoil(cluster)
    status, shown = run(cluster)
    assert_told(shown.words, kind, words)
    assert status == (0 if kind.startswith("Note") else 1)


def assert_told(text: str, kind: str, words: tuple[str, ...]) -> None:
    """A finding of that severity and reason has all the words, and a remedy."""
    told = [part for part in _told(text) if part.startswith(f"{kind}:")]
    assert any("\n  remedy: " in part and all(word in part for word in words) for part in told), "\n".join(told) or text


def _told(text: str) -> list[str]:
    """Each finding of the tables' form, with the lines below it."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(("Error ", "Warning ", "Note "))]
    return ["\n".join(lines[start : start + 3]) for start in starts]


def test_of_the_spoilt_clusters_most_have_one_finding() -> None:
    """One mistake, one finding: what follows from it is not told as well."""
    several = {}
    for name, spoil, _, _ in MISTAKES:
        cluster = HealthyCluster()
        spoil(cluster)
        told = [f"{each['reason']} {each['object']}" for each in findings(cluster)]
        if len(told) != 1:
            several[name] = told
    assert set(several) <= {
        "CRDs absent",  # four of them
        "two installations",  # each is told
        "not installed",  # and the task that is left is told
        "no class at all",
        "gated without a planner",  # and why there is none
        "a part deleted",
        "extender that fails open",
    }, several


EXTERNAL_MISTAKES: list[tuple[str, Spoil, str, tuple[str, ...]]] = [
    (
        "no Service",
        lambda cluster: cluster.items["services"].clear(),
        "Error ServiceMissing",
        ("Service foretide-system/foretide-extender", "helm upgrade"),
    ),
    (
        "no Secret",
        container("foretide-extender", "extender", state={"waiting": {"reason": "ContainerCreating"}}),
        "Error NotStarted",
        ("it needs Secret foretide-tls", "describe pod"),
    ),
    ("resource not ignored", insufficient, "Error ResourceNotIgnored", ("Insufficient", "ignoredByScheduler: true")),
    (
        "no resource requested",
        add("pods", task("plain", schedulerName="default-scheduler")),
        "Warning NotPlacedByPrediction",
        ("Pod team/plain: spec.containers[0].resources.limits[foretide.dev/task] = (none)",),
    ),
    (
        "Pods of the second scheduler",
        add("pods", waiting("left")),
        "Error PodStranded",
        ("Pod team/left: spec.schedulerName = foretide-scheduler", "its scheduler is not installed"),
    ),
    (
        "scheduler without a file",
        add(
            "pods",
            {
                "metadata": {
                    "name": "kube-scheduler-a",
                    "namespace": "kube-system",
                    "labels": {"component": "kube-scheduler"},
                },
                "spec": {"nodeName": "fast-1", "containers": [{"command": ["kube-scheduler", "--kubeconfig=a"]}]},
            },
        ),
        "Error SchedulerNotConfigured",
        ("Pod kube-system/kube-scheduler-a", "no --config", "docs/install.md#the-clusters-own-scheduler"),
    ),
    ("extender never asked", never_asked, "Error NotAsked", ("no entry for the extender",)),
    (
        "certificate that expires",
        said(
            "/metrics",
            200,
            f'foretide_extender_certificate_not_after_timestamp_seconds{{file="tls.crt"}} {NOW_SECONDS + 86400}\n',
        ),
        "Warning CertificateExpires",
        ("certificate tls.crt = 1.0 days left", "renew the Secret"),
    ),
    (
        "certificate that has expired",
        said(
            "/metrics",
            200,
            f'foretide_extender_certificate_not_after_timestamp_seconds{{file="ca.crt"}} {NOW_SECONDS - 60}\n',
        ),
        "Error CertificateExpired",
        ("certificate ca.crt",),
    ),
    (
        "certificate that cannot be used",
        said("/metrics", 200, "foretide_extender_certificate_reload_failed 1.0\n"),
        "Error CertificateUnusable",
        ("stay in use",),
    ),
    ("autoscaler", add("deployments", AUTOSCALER), "Warning AutoscalerBlind", ("docs/limits.md",)),
]


@pytest.mark.parametrize(
    ("spoil", "kind", "words"), [row[1:] for row in EXTERNAL_MISTAKES], ids=[row[0] for row in EXTERNAL_MISTAKES]
)
def test_a_mistake_of_external_mode_is_named_with_its_remedy(spoil: Spoil, kind: str, words: tuple[str, ...]) -> None:
    cluster = HealthyCluster(*EXTERNAL)
    asking(cluster.items["pods"][0])
    spoil(cluster)
    assert_told(run(cluster)[1].words, kind, words)


def test_a_workload_where_nobody_watches_is_told_with_how_to_have_it_watched() -> None:
    cluster = HealthyCluster("watchNamespaces={other}")
    (found,) = [one for one in findings(cluster) if one["reason"] == "NamespaceNotWatched"]
    assert (found["object"].split("/")[0], found["value"]) == ("AIWorkload team", "team")
    assert "watchNamespaces={foretide-system,other,team}" in found["remedy"]


@pytest.mark.parametrize("is_going", [True, False])
def test_a_watched_namespace_that_is_gone_is_told_and_no_right_is_missed_there(*, is_going: bool) -> None:
    cluster = HealthyCluster("watchNamespaces={team,other}")
    if is_going:
        cluster.one("namespaces", "other")["metadata"]["deletionTimestamp"] = OLD
    else:
        drop("namespaces", "other")(cluster)
    cluster.unbound_in.add("other")
    (found,) = findings(cluster)
    assert (found["severity"], found["reason"], found["value"]) == ("Warning", "WatchedNamespaceGone", "other")
    assert "--set 'watchNamespaces={foretide-system,team}'" in found["remedy"]


def test_the_scheduler_that_suits_a_distribution_is_that_of_kubernetes_own_version() -> None:
    cluster = HealthyCluster()
    cluster.version = "v1.35.4-eks-1a2b3c"
    (found,) = findings(cluster)
    assert found["reason"] == "SchedulerVersion"
    assert found["remedy"].endswith(" --set scheduler.image.tag=v1.35.4")


def test_an_untested_version_that_the_chart_was_told_to_allow_is_only_noted() -> None:
    cluster = HealthyCluster("scheduler.allowUntestedVersion=true")
    assert findings(cluster) == [], "a tested one is no matter"
    kubernetes("v1.41.0")(cluster)
    (found,) = findings(cluster)
    assert (found["severity"], found["reason"], found["value"]) == ("Note", "KubernetesUntested", "v1.41.0")
    assert run(cluster)[0] == 0


def test_a_variable_that_stands_elsewhere_is_no_fault() -> None:
    cluster = HealthyCluster()
    containers = cluster.one("deployments", "foretide-operator")["spec"]["template"]["spec"]["containers"]
    (image,) = [one for one in containers[0]["env"] if one["name"] == "FORETIDE_PROFILER_IMAGE_TORCH"]
    del image["value"]
    image["valueFrom"] = {"configMapKeyRef": {"name": "images", "key": "torch"}}
    assert findings(cluster) == []


def test_many_pods_of_one_mistake_are_one_finding() -> None:
    cluster = HealthyCluster()
    cluster.items["pods"] += [task(f"plain-{number}", schedulerName="default-scheduler") for number in range(4)]
    (found,) = findings(cluster)
    assert found["object"] == "Pod team/plain-0"
    assert found["message"].endswith("; the same for 3 more Pods")


@pytest.mark.parametrize(
    "key",
    ["foretide.dev/nodeclass", "foretide.dev/node_class", "foretide.dev/class", "foretide/node-class", "node-class"],
)
def test_a_key_that_is_almost_right_is_a_slip(key: str) -> None:
    cluster = HealthyCluster()
    label("slow-2", **{key: "slow"})(cluster)
    assert [each["reason"] for each in findings(cluster)] == ["LabelMisspelt"]


@pytest.mark.parametrize(
    "key",
    ["eks.amazonaws.com/nodeclass", "karpenter.k8s.aws/ec2nodeclass", "kubernetes.io/os", "foretide.dev/zone", "class"],
)
def test_a_key_that_means_something_else_is_left_alone(key: str) -> None:
    cluster = HealthyCluster()
    cluster.node("slow-2")["metadata"]["labels"] = {key: "slow"}
    assert [each["reason"] for each in findings(cluster)] == ["NodesWithoutClass"]


def test_a_class_that_selects_by_a_key_makes_it_right() -> None:
    cluster = HealthyCluster()
    label("slow-2", **{"foretide.dev/nodeclass": "slow"})(cluster)
    cluster.one("nodeclasses", "slow")["spec"]["selector"] = {"matchLabels": {"foretide.dev/nodeclass": "slow"}}
    assert [each["reason"] for each in findings(cluster)] == ["NodesWithoutClass"]  # slow-1 alone


def test_what_is_on_its_way_is_no_fault() -> None:
    cluster = HealthyCluster()
    young = waiting("young")
    young["metadata"]["creationTimestamp"] = LATER
    probe = task("probe")
    probe["metadata"]["labels"] = {"foretide.dev/role": "probe", "foretide.dev/job-node-class": "fast"}
    cluster.items["pods"] += [
        young,
        probe,
        waiting("gated", schedulingGates=[{"name": "foretide.dev/plan"}]),
        waiting("theirs", schedulerName="volcano") | {"metadata": {"name": "theirs", "namespace": "a"}},
    ]
    cluster.workload()["status"]["conditions"] = [condition("Inspected", "Unknown", "InProgress")]
    assert findings(cluster) == []


def test_an_extender_that_nobody_had_to_ask_yet_is_no_fault() -> None:
    cluster = HealthyCluster()
    cluster.said["/metrics"] = (200, b"")
    status, _ = run(cluster)
    (found,) = findings(cluster)
    assert (status, found["severity"], found["reason"]) == (0, "Note", "NotAskedYet")


def test_the_installation_is_found_in_whatever_namespace_it_is() -> None:
    cluster = HealthyCluster()
    for each in (*cluster.items["deployments"], *cluster.items["pods"][1:]):
        each["metadata"]["namespace"] = "elsewhere"
    told = run(cluster)[1].document
    assert told["namespace"] == "elsewhere"
    assert [check["outcome"] for check in told["checks"]] == ["Healthy"] * 9


REFUSALS = [
    ("deployments", "list deployments.apps in all namespaces", "installation"),
    ("nodes", "list nodes", "node classes"),
    ("nodeclasses", "list nodeclasses.foretide.dev", "node classes"),
    ("aiworkloads", "list aiworkloads.foretide.dev in all namespaces", "workloads"),
    ("pods", "list pods in all namespaces", "tasks"),
    ("subjectaccessreviews", "create subjectaccessreviews.authorization.k8s.io", "rights"),
]


@pytest.mark.parametrize(("plural", "right", "check"), REFUSALS)
def test_a_missing_right_is_told_and_the_rest_is_checked(plural: str, right: str, check: str) -> None:
    cluster = HealthyCluster()
    cluster.refused.add(plural)
    kubernetes("v1.28.0")(cluster)
    status, shown = run(cluster)
    told = shown.document
    assert right in told["missingRights"]
    outcomes = {each["check"]: each["outcome"] for each in told["checks"]}
    assert outcomes[check] == "NotChecked"
    assert outcomes["versions"] == "Problems"
    assert status == 1
    reasons = {each["reason"] for one in told["checks"] for each in one["findings"]}
    assert reasons == {"KubernetesTooOld"}, "nothing is wrong because it may not be read"


def test_without_the_right_to_forward_ports_the_rest_is_checked() -> None:
    cluster = HealthyCluster()
    cluster.said["/readyz"] = ApiError(403, "Forbidden", "no")
    status, shown = run(cluster)
    assert status == 0
    assert "create pods/portforward in namespace foretide-system" in shown.words
    (unread,) = [line for line in shown.words.splitlines() if "not all could be checked: extenders" in line]
    assert unread.startswith("extender ")


def test_who_may_read_one_namespace_alone_has_that_one_checked() -> None:
    cluster = HealthyCluster()
    whole = {"aiworkloads", "pods", "workloadprofiles"}
    cluster.refused |= {f"{plural} in None" for plural in whole}
    condition_of_workload("Inspected", "False", "UnknownModel")(cluster)
    cluster.items["pods"].append(task("elsewhere", namespace="b", workload="theirs"))
    assert [each["reason"] for each in findings(cluster)] == ["UnknownModel"]


def test_what_is_wrong_stands_out_by_how_wrong_it_is() -> None:
    healthy, broken, worse = HealthyCluster(), HealthyCluster(), HealthyCluster(*EXTERNAL)
    kubernetes("v1.28.0")(broken)
    asking(worse.items["pods"][0])
    add("deployments", AUTOSCALER)(worse)
    assert "\x1b[3" not in run(healthy)[1].styled
    assert stands_out(run(broken)[1].styled, "31") == ["1 error", "Error KubernetesTooOld"]
    assert stands_out(run(worse)[1].styled, "33") == ["1 warning", "Warning AutoscalerBlind"]


def stands_out(styled: str, code: str) -> list[str]:
    return [each.split("\x1b")[0].split(":")[0] for each in styled.split(f"\x1b[{code}m")[1:]]


def test_the_header_tells_what_is_installed() -> None:
    text = run(HealthyCluster())[1].words
    rows = [line.split(maxsplit=1) for line in text.splitlines()[:8]]
    assert ["asked", "12 filter calls since it was started"] in rows
    assert ["mode", "secondary"] in rows
    assert ["scheduler", "registry.k8s.io/kube-scheduler:v1.36.2"] in rows
    assert f"{version()} in namespace foretide-system" in text


def test_a_part_without_pods_is_told_with_what_the_cluster_says_of_it() -> None:
    cluster = HealthyCluster()
    drop("pods", "foretide-operator-0")(cluster)
    cluster.one("deployments", "foretide-operator")["status"] = {
        "conditions": [condition("ReplicaFailure", "True", "FailedCreate", "violates PodSecurity")]
    }
    (found,) = findings(cluster)
    assert (found["reason"], found["value"]) == ("PartNotReady", "0")
    assert "violates PodSecurity" in found["message"]


def test_a_part_that_no_node_takes_is_told_with_the_schedulers_words() -> None:
    cluster = HealthyCluster()
    pod = part_of(cluster.one("deployments", "foretide-operator"))
    pod["metadata"]["creationTimestamp"] = OLD
    del pod["spec"]["nodeName"]
    pod["status"] = {
        "phase": "Pending",
        "conditions": [condition("PodScheduled", "False", "Unschedulable", "0/1 nodes")],
    }
    cluster.items["pods"] = [
        each for each in cluster.items["pods"] if each["metadata"]["name"] != "foretide-operator-0"
    ]
    cluster.items["pods"].append(pod)
    cluster.one("deployments", "foretide-operator")["status"] = {}
    (found,) = findings(cluster)
    assert (found["reason"], found["severity"]) == ("Unschedulable", "Error")
    assert "0/1 nodes" in found["message"]
