"""What the chart renders, over its values: facts that matter, not whole documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from devcluster import Cluster, binaries
from foretide_extender.settings import Settings as ExtenderSettings
from foretide_kube.names import RESOURCE_TASK, SCHEDULER_NAME
from foretide_operator.planner.settings import Settings as PlannerSettings
from foretide_operator.settings import read_settings
from tests.chart.rendering import (
    CHART,
    ROOT,
    HelmError,
    Object,
    Rendered,
    external_configuration,
    helm,
    installation_notes,
    render,
    rendered_text,
)

EXTERNAL = ("scheduler.mode=external", "scheduler.external.tlsSecret=foretide-tls")
MODES: list[tuple[str, ...]] = [
    (),
    ("scheduler.mode=none",),
    ("scheduler.replicas=3",),
    ("networkPolicy.enabled=true", "crds.enabled=false"),
    EXTERNAL,
    (*EXTERNAL, "networkPolicy.enabled=true", "scheduler.external.clusterIP=fd00::10"),
    ("image.registry=registry.example:5000/edge", "image.tag=1.2.3", "image.pullSecrets[0].name=key"),
    ("operator.tolerations[0].operator=Exists", "operator.nodeSelector.disk=ssd"),
]


@pytest.fixture(scope="module")
def default() -> Rendered:
    return render()


def test_lint_finds_nothing() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize("values", MODES, ids=str)
def test_every_object_is_valid_for_its_kind(values: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "rendered.yaml"
    file.write_text(rendered_text(*values))
    program = Path(sys.executable).parent / "kubernetes-validate"
    done = subprocess.run([program, "--strict", "-k", "1.36", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_definitions_are_those_of_the_project_kept_on_uninstall(default: Rendered) -> None:
    for file in (ROOT / "crds").glob("*.yaml"):
        wanted = yaml.safe_load(file.read_text())
        found = default["CustomResourceDefinition", wanted["metadata"]["name"]]
        assert found["spec"] == wanted["spec"]
        assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "CustomResourceDefinition" not in render("crds.enabled=false").kinds()


def test_the_copies_in_the_chart_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "charts" / "sync-crds.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("deployment", ["foretide-operator", "foretide-scheduler", "foretide-extender"])
def test_every_pod_meets_restricted_pod_security_and_is_bounded(default: Rendered, deployment: str) -> None:
    pod = (render(*EXTERNAL) if deployment == "foretide-extender" else default).pod(deployment)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = container[probe]["httpGet"]["port"]
            assert port in [one["name"] for one in container["ports"]]


def test_operator_and_planner_understand_their_environment() -> None:
    rendered = render(
        "image.registry=registry.example", "image.tag=v7", "image.pullPolicy=Always", "logLevel=DEBUG",
        "profiling.maxSeconds=11", "profiling.minSamples=1000000", "profiling.minSeconds=3", "profiling.perClass=2",
        "profiling.probeMaxSeconds=5", "profiling.jobDeadlineSeconds=900", "profiling.budgetSecondsPerDay=1800",
        "planner.order=FairShare",
    )  # fmt: skip
    settings = read_settings(rendered.environment("foretide-operator", "operator"))
    assert settings.namespace == "foretide-system"
    assert (settings.scheduler_name, settings.gates) == (SCHEDULER_NAME, True)
    assert settings.image_onnx == "registry.example/foretide/profiler:v7-onnx"
    assert settings.image_torch == "registry.example/foretide/profiler:v7-torch"
    assert (settings.image_pull_policy, settings.log_level) == ("Always", "DEBUG")
    assert (settings.profile_max_seconds, settings.profile_min_samples, settings.profile_min_seconds) == (
        11,
        1_000_000,
        3,
    )
    assert settings.profile_budget_seconds == 1800
    assert (settings.profiles_per_class, settings.probe_max_seconds, settings.job_deadline_seconds) == (2, 5, 900)
    planner = PlannerSettings.read(rendered.environment("foretide-operator", "planner"))
    assert (planner.namespace, planner.log_level, planner.pod_uid) == ("foretide-system", "DEBUG", "metadata.uid")
    assert planner.order == "FairShare"
    ports = [one["containerPort"] for one in rendered.container("foretide-operator", "planner")["ports"]]
    assert ports == [planner.port]


def test_gates_are_switched_off_by_one_value() -> None:
    environment = render("planner.gates=false").environment("foretide-operator", "operator")
    assert read_settings(environment).gates is False


def test_there_is_one_operator_at_a_time(default: Rendered) -> None:
    spec = default["Deployment", "foretide-operator"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_scheduler_asks_the_extender_and_goes_on_without_it(default: Rendered) -> None:
    configuration = default.scheduler_configuration()
    assert [profile["schedulerName"] for profile in configuration["profiles"]] == [SCHEDULER_NAME]
    assert configuration["percentageOfNodesToScore"] == 100
    (extender,) = configuration["extenders"]
    assert extender == {
        "urlPrefix": "http://127.0.0.1:8888",
        "filterVerb": "filter",
        "prioritizeVerb": "prioritize",
        "weight": 150,
        "nodeCacheCapable": True,
        "ignorable": True,
        "httpTimeout": "300ms",
    }
    listen = default.environment("foretide-scheduler", "extender")["FORETIDE_SCHEDULER_LISTEN"]
    assert extender["urlPrefix"] == f"http://{listen}"


def test_an_extender_that_is_frozen_is_found_out_and_killed_within_ten_seconds(default: Rendered) -> None:
    probe = default.container("foretide-scheduler", "extender")["livenessProbe"]
    frozen_just_after_a_probe = probe["periodSeconds"]
    each_try = max(probe["periodSeconds"], probe["timeoutSeconds"])
    least_grace_of_kubelet = 2
    grace = max(least_grace_of_kubelet, probe["terminationGracePeriodSeconds"])
    assert frozen_just_after_a_probe + each_try * probe["failureThreshold"] + grace <= 10


@pytest.mark.parametrize(
    ("version", "tag"), [("1.36.2", "v1.36.2"), ("1.36.0+k3s1", "v1.36.0"), ("v1.36.7-eks-1a2b3c", "v1.36.7")]
)
def test_the_scheduler_s_image_follows_the_cluster(version: str, tag: str) -> None:
    image = render(version=version).container("foretide-scheduler", "kube-scheduler")["image"]
    assert image == f"registry.k8s.io/kube-scheduler:{tag}"


def test_several_schedulers_elect_a_leader_by_a_lease_of_their_own() -> None:
    alone, several = render(), render("scheduler.replicas=2")
    assert alone.scheduler_configuration()["leaderElection"]["leaderElect"] is False
    assert alone["Deployment", "foretide-scheduler"]["spec"]["strategy"] == {"type": "Recreate"}
    assert ("PodDisruptionBudget", "foretide-scheduler") not in alone
    assert several.scheduler_configuration()["leaderElection"] == {
        "leaderElect": True,
        "resourceName": "foretide-scheduler",
        "resourceNamespace": "foretide-system",
    }
    assert ("PodDisruptionBudget", "foretide-scheduler") in several
    names = [name for rule in several["Role", "foretide-scheduler"]["rules"] for name in rule.get("resourceNames", [])]
    assert names == ["foretide-scheduler"]


def test_each_of_several_schedulers_asks_the_extender_beside_it() -> None:
    several = render("scheduler.replicas=2")
    (extender,) = several.scheduler_configuration()["extenders"]
    listen = several.environment("foretide-scheduler", "extender")["FORETIDE_SCHEDULER_LISTEN"]
    assert extender["urlPrefix"] == f"http://{listen}" == "http://127.0.0.1:8888"
    assert "Service" not in several.kinds()


@pytest.fixture(scope="module")
def external() -> Rendered:
    return render(*EXTERNAL)


def test_for_the_cluster_s_own_scheduler_the_extender_stands_alone_twice_and_spread(external: Rendered) -> None:
    assert not [name for _, name in external.objects if "scheduler" in name]
    spec = external["Deployment", "foretide-extender"]["spec"]
    assert spec["replicas"] == 2
    assert [one["name"] for one in spec["template"]["spec"]["containers"]] == ["extender"]
    selector = spec["selector"]["matchLabels"]
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == selector
    assert external["PodDisruptionBudget", "foretide-extender"]["spec"]["selector"]["matchLabels"] == selector
    service = external["Service", "foretide-extender"]["spec"]
    assert service["selector"] == selector
    ports = {one["name"]: one["containerPort"] for one in external.container("foretide-extender", "extender")["ports"]}
    assert [(one["port"], ports[one["targetPort"]]) for one in service["ports"]] == [(8888, 8888)]
    binding = external["ClusterRoleBinding", "foretide-extender"]
    assert [one["name"] for one in binding["subjects"]] == ["foretide-extender"]
    assert ("ServiceAccount", "foretide-extender") in external
    alone = render(*EXTERNAL, "scheduler.external.replicas=1")
    assert "PodDisruptionBudget" not in alone.kinds()


def test_beyond_its_pod_the_extender_listens_by_tls_alone_with_the_files_of_the_secret(external: Rendered) -> None:
    settings = ExtenderSettings.read(external.environment("foretide-extender", "extender"))
    assert settings.scheduler_address.host == ""
    assert settings.tls is not None
    (mount,) = external.container("foretide-extender", "extender")["volumeMounts"]
    (volume,) = external.pod("foretide-extender")["volumes"]
    assert "subPath" not in mount, "a file mounted by itself is never renewed"
    assert volume["secret"]["secretName"] == "foretide-tls"
    mounted = [f"{mount['mountPath']}/{one['path']}" for one in volume["secret"]["items"]]
    assert [str(path) for path in settings.tls] == mounted
    assert [one["key"] for one in volume["secret"]["items"]] == ["tls.crt", "tls.key", "ca.crt"]
    beside = ExtenderSettings.read(render().environment("foretide-scheduler", "extender"))
    assert (beside.scheduler_address.host, beside.tls) == ("127.0.0.1", None)


def test_the_operator_marks_tasks_for_the_cluster_s_own_scheduler_and_gates_them(external: Rendered) -> None:
    settings = read_settings(external.environment("foretide-operator", "operator"))
    assert (settings.scheduler_name, settings.external_scheduler, settings.gates) == ("", True, True)
    assert read_settings(render().environment("foretide-operator", "operator")).external_scheduler is False


@pytest.mark.parametrize("address", ["10.0.0.9", "fd00::10", "fd00::"])
def test_the_service_has_the_address_that_the_values_give(address: str) -> None:
    rendered = render(*EXTERNAL, f"scheduler.external.clusterIP={address}")
    assert rendered["Service", "foretide-extender"]["spec"]["clusterIP"] == address


def test_without_a_secret_the_external_mode_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        HelmError, match=r"tlsSecret names no Secret[\s\S]*foretide-system with tls.crt, tls.key and ca.crt"
    ):
        render("scheduler.mode=external")


def test_the_external_mode_runs_beside_whatever_version_the_cluster_s_scheduler_has() -> None:
    assert ("Deployment", "foretide-extender") in render(*EXTERNAL, version="1.33.1")


def test_a_changed_configuration_starts_the_scheduler_anew() -> None:
    def checksum(*values: str) -> str:
        template = render(*values)["Deployment", "foretide-scheduler"]["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/configuration"]
        return found

    assert checksum("scheduler.weight=12") != checksum("scheduler.weight=13")
    assert checksum("logLevel=DEBUG") == checksum()


def test_without_a_scheduler_nothing_of_it_is_installed_and_the_operator_knows() -> None:
    rendered = render("scheduler.mode=none", version="1.31.0")
    assert not [name for kind, name in rendered.objects if "scheduler" in name or "extender" in name]
    environment = rendered.environment("foretide-operator", "operator")
    assert environment["FORETIDE_SCHEDULER_NAME"] == ""


def test_an_untested_version_is_refused_unless_allowed() -> None:
    with pytest.raises(HelmError, match=r"This is Kubernetes v1\.33\.1; .* tested together on 1\.35, 1\.36"):
        render(version="1.33.1")
    rendered = render("scheduler.allowUntestedVersion=true", version="1.33.1")
    assert rendered.container("foretide-scheduler", "kube-scheduler")["image"].endswith(":v1.33.1")


def test_a_version_without_admission_policies_is_refused() -> None:
    with pytest.raises(HelmError, match="incompatible with Kubernetes"):
        render("scheduler.allowUntestedVersion=true", version="1.29.9")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("schedulerr.replicas=2", "schedulerr"),
        ("scheduler.replicas=0", "replicas"),
        ("scheduler.mode=primary", "mode"),
        ("scheduler.external.tlsSecret=No_Name", "tlsSecret"),
        ("scheduler.external.clusterIP=somewhere", "clusterIP"),
        ("scheduler.external.clusterIP=fd00::10::", "clusterIP"),
        ("scheduler.external.clusterIP=10.0.0", "clusterIP"),
        ("scheduler.external.from=everywhere", "from"),
        ("scheduler.external.replicas=0", "replicas"),
        ("logLevel=trace", "logLevel"),
        ("profiling.maxSeconds=many", "maxSeconds"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("operator.replicas=2", "replicas"),
        ("planner.gates=sometimes", "gates"),
        ("planner.order=Random", "order"),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_name(value: str, words: str) -> None:
    with pytest.raises(HelmError, match=words):
        render(value)


def test_values_and_their_schema_name_the_same_things() -> None:
    def compare(at: str, values: Object, schema: Object) -> None:
        assert set(values) == set(schema["properties"]) - {"global"}, at
        assert schema["additionalProperties"] is False, at
        for name, value in values.items():
            if isinstance(value, dict) and "properties" in schema["properties"][name] and name != "resources":
                compare(f"{at}.{name}", value, schema["properties"][name])

    compare(
        "", yaml.safe_load((CHART / "values.yaml").read_text()), json.loads((CHART / "values.schema.json").read_text())
    )


def test_nobody_may_read_secrets_or_make_pods(default: Rendered) -> None:
    for (kind, name), one in default.objects.items():
        if kind not in {"ClusterRole", "Role"}:
            continue
        for rule in one["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], name
            assert not {"secrets", "serviceaccounts", "pods/exec", "pods/binding"} & set(rule["resources"]), name
            if "pods" in rule["resources"]:
                assert not {"create", "delete", "update"} & set(rule["verbs"]), name


def test_gates_are_opened_before_an_uninstall_by_a_restricted_job_that_is_soon_over(default: Rendered) -> None:
    job = default["Job", "foretide-release"]
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-delete",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    assert job["spec"]["activeDeadlineSeconds"] <= 60
    assert job["spec"]["backoffLimit"] <= 3
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "foretide-operator"
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["image"] == default.container("foretide-operator", "operator")["image"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["command"] == ["python", "-m", "foretide_cli", "release", "--all-namespaces"]
    selector = default["Deployment", "foretide-operator"]["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_the_network_policy_opens_what_is_probed_and_scraped_and_no_more() -> None:
    rendered = render("networkPolicy.enabled=true", "networkPolicy.from[0].podSelector.matchLabels.app=prometheus")
    for deployment in ("foretide-operator", "foretide-scheduler"):
        (rule,) = rendered["NetworkPolicy", deployment]["spec"]["ingress"]
        ports = {
            one["containerPort"] for container in rendered.pod(deployment)["containers"] for one in container["ports"]
        }
        assert {one["port"] for one in rule["ports"]} == ports
        assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]
    assert "NetworkPolicy" not in render().kinds()


def test_the_network_policy_lets_schedulers_and_the_curious_come_from_where_the_values_say() -> None:
    values = ("networkPolicy.enabled=true", "networkPolicy.from[0].podSelector.matchLabels.app=prometheus")
    rendered = render(*EXTERNAL, *values)
    rules = rendered["NetworkPolicy", "foretide-extender"]["spec"]["ingress"]
    assert [[one["port"] for one in rule["ports"]] for rule in rules] == [[8888], [8082]]
    assert [rule.get("from") for rule in rules] == [None, [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]]
    bounded = render(*EXTERNAL, *values, "scheduler.external.from[0].ipBlock.cidr=10.0.0.0/28")
    rules = bounded["NetworkPolicy", "foretide-extender"]["spec"]["ingress"]
    assert [rule["from"][0] for rule in rules] == [
        {"ipBlock": {"cidr": "10.0.0.0/28"}},
        {"podSelector": {"matchLabels": {"app": "prometheus"}}},
    ]


def test_images_are_pulled_from_where_the_values_say() -> None:
    rendered = render("image.registry=registry.example/edge/", "image.tag=v7", "image.pullSecrets[0].name=key")
    assert rendered.container("foretide-operator", "operator")["image"] == "registry.example/edge/foretide/operator:v7"
    assert rendered.container("foretide-scheduler", "extender")["image"] == "registry.example/edge/foretide/extender:v7"
    assert rendered["ServiceAccount", "foretide-operator"]["imagePullSecrets"] == [{"name": "key"}]
    without = render("image.registry=").container("foretide-operator", "operator")["image"]
    assert without == "foretide/operator:0.1.0"


@pytest.fixture(scope="module")
def understood(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, Object]:
    """The rendered configuration, and what the real scheduler makes of it."""
    configuration = render("scheduler.replicas=2").scheduler_configuration()
    configuration["clientConnection"] = {"kubeconfig": str(control_plane.kubeconfig)}
    folder = tmp_path_factory.mktemp("scheduler")
    given, written = folder / "given.yaml", folder / "written.yaml"
    given.write_text(yaml.safe_dump(configuration))
    program = binaries.ensure(["kube-scheduler"], lambda _line: None)["kube-scheduler"]
    words = [str(program), f"--config={given}", f"--write-config-to={written}", "--secure-port=0"]
    subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return configuration, yaml.safe_load(written.read_text())


@pytest.mark.cluster
def test_the_real_scheduler_understands_its_configuration(understood: tuple[Object, Object]) -> None:
    given, written = understood
    assert written["percentageOfNodesToScore"] == given["percentageOfNodesToScore"]
    assert [profile["schedulerName"] for profile in written["profiles"]] == [SCHEDULER_NAME]
    assert given["leaderElection"].items() <= written["leaderElection"].items()
    assert given["extenders"][0].items() <= written["extenders"][0].items()


@pytest.mark.parametrize(
    ("address", "host"), [("", "CLUSTER-IP"), ("10.0.0.9", "10.0.0.9"), ("fd00::10", "[fd00::10]")]
)
def test_the_notes_give_the_configuration_that_the_cluster_s_own_scheduler_needs(address: str, host: str) -> None:
    notes = installation_notes(*EXTERNAL, f"scheduler.external.clusterIP={address}", "scheduler.weight=14")
    configuration, secondary = external_configuration(notes), render("scheduler.weight=14").scheduler_configuration()
    assert configuration["percentageOfNodesToScore"] == secondary["percentageOfNodesToScore"] == 100
    (extender,), (beside,) = configuration["extenders"], secondary["extenders"]
    assert [name for name, value in beside.items() if extender[name] != value] == ["urlPrefix"]
    assert extender["urlPrefix"] == f"https://{host}:8888"
    assert extender["enableHTTPS"] is True
    assert extender["tlsConfig"]["serverName"] == "foretide-extender.foretide-system.svc"
    assert extender["managedResources"] == [{"name": RESOURCE_TASK, "ignoredByScheduler": True}]
    assert ("get service foretide-extender" in notes) == (not address)


@pytest.mark.cluster
def test_one_step_of_the_extender_outweighs_all_plugins_of_the_real_scheduler(
    understood: tuple[Object, Object],
) -> None:
    _, written = understood
    (profile,) = written["profiles"]
    weights = [plugin["weight"] for plugin in profile["plugins"]["multiPoint"]["enabled"]]
    assert sum(weights) == 14, "the arithmetic in values.yaml and docs/install.md speaks of 14"
    assert written["extenders"][0]["weight"] * 10 > sum(weights) * 100
