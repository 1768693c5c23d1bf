"""What the chart renders, over its values: facts that matter, not whole documents."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from functools import cache

import kubernetes_validate
import pytest
import yaml

from devcluster import Cluster, binaries
from foretide_extender.settings import Settings as ExtenderSettings
from foretide_kube.names import RESOURCE_TASK, SCHEDULER_NAME
from foretide_operator.planner.settings import Settings as PlannerSettings
from foretide_operator.settings import read_settings
from release.versions import version
from tests.chart.rendering import (
    CHART,
    ROOT,
    HelmError,
    Object,
    Rendered,
    external_configuration,
    helm,
    indented,
    installation_notes,
    render,
)
from tests.chart.snapshot import CASES

EXTERNAL = CASES["external"]
MODES = [
    *CASES.values(),
    (*EXTERNAL, "networkPolicy.enabled=true", "scheduler.external.clusterIP=fd00::10"),
]


@pytest.fixture(scope="module")
def default() -> Rendered:
    return render()


def test_lint_finds_nothing() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def versions() -> list[str]:
    """The minor versions of Kubernetes that the chart lets itself be installed on, up to the newest tested."""
    least = str(yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"])
    first, last = (int(text.split(".")[1]) for text in (least, versions_tested()[-1]))
    return [f"1.{minor}" for minor in range(first, last + 1)]


def versions_tested() -> list[str]:
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    return helpers.partition('define "foretide.testedVersions" -}}')[2].partition("{{")[0].split()


def test_every_object_is_valid_for_its_kind_in_every_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
    rendered = [one for values in MODES for one in render(*values).all.values()]
    objects = {json.dumps(one, sort_keys=True): one for one in rendered}.values()
    for minor in versions():
        for one in objects:
            kubernetes_validate.validate(one, minor, strict=True)


@pytest.mark.parametrize("mode", ["secondary", "external"])
def test_names_that_yaml_would_read_as_numbers_or_truths_stay_names(mode: str) -> None:
    words = ["template", "0777", str(CHART), "--namespace", "123", "--kube-version", "1.36.2", "--set-string"]
    words += [
        f"scheduler.mode={mode},scheduler.external.tlsSecret=1,scheduler.priorityClassName=2,watchNamespaces[0]=on"
    ]
    rendered = Rendered(helm(*words, "--set", "crds.enabled=false"))
    for one in rendered.all.values():
        kubernetes_validate.validate(one, versions_tested()[-1], strict=True)
    if mode == "secondary":
        assert rendered.scheduler_configuration()["leaderElection"]["resourceNamespace"] == "123"


def test_an_object_with_a_slip_is_not_valid(default: Rendered) -> None:
    deployment = default["Deployment", "foretide-operator"]
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePulPolicy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePulPolicy"):
        kubernetes_validate.validate(deployment, versions()[0], strict=True)


def test_the_definitions_are_those_of_the_project_kept_on_uninstall(default: Rendered) -> None:
    for file in (ROOT / "crds").glob("*.yaml"):
        wanted = yaml.safe_load(file.read_text())
        found = default["CustomResourceDefinition", wanted["metadata"]["name"]]
        assert found["spec"] == wanted["spec"]
        assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "CustomResourceDefinition" not in render("crds.enabled=false").kinds()


@pytest.mark.parametrize("script", ["sync-crds.py", "describe-values.py"])
def test_what_is_made_of_other_files_is_up_to_date(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "charts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("a: 1", "a: no comment"),
        ("# Of a.\na:\n  b: 1", "a.b: no comment"),
        ("# A comment of something else.\n\na: 1", "a: no comment"),
        ("# Says nothing but what it must be.\n# @schema Digets\na: ''", "a: no shape is called Digets"),
    ],
)
def test_a_value_is_not_described_without_words(values: str, words: str) -> None:
    describe = runpy.run_path(str(ROOT / "charts" / "describe-values.py"))
    with pytest.raises(describe["UndescribedError"], match=words):
        describe["schema_of"](describe["read"](values))


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
        ("image.pullSecrets[0]=key", "pullSecrets"),
        ("image.digests.operator=sha256:12", "digests"),
        ("image.digests.profiler=", "digests"),
        ("operator.resources.limit.memory=1Gi", "limit"),
        ("watchNamespaces={Team_A}", "watchNamespaces"),
        ("operator.replicas=2", "replicas"),
        ("planner.gates=sometimes", "gates"),
        ("planner.order=Random", "order"),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_name(value: str, words: str) -> None:
    with pytest.raises(HelmError, match=words):
        render(value)


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
    assert without == f"foretide/operator:{version()}"


def test_a_digest_stands_behind_the_tag_that_says_which_version_it_is() -> None:
    digests = {name: f"sha256:{name[0].encode().hex() * 32}" for name in ("operator", "extender", "onnx", "torch")}
    rendered = render(
        f"image.digests.operator={digests['operator']}", f"image.digests.extender={digests['extender']}",
        f"image.digests.profilerOnnx={digests['onnx']}", f"image.digests.profilerTorch={digests['torch']}",
        "image.tag=v7", f"scheduler.image.digest=sha256:{'5' * 64}", "scheduler.image.tag=v1.36.2",
    )  # fmt: skip
    images = {
        name: rendered.container(deployment, name)["image"]
        for deployment, name in (
            ("foretide-operator", "operator"),
            ("foretide-operator", "planner"),
            ("foretide-scheduler", "extender"),
            ("foretide-scheduler", "kube-scheduler"),
        )
    }
    assert images == {
        "operator": f"docker.io/foretide/operator:v7@{digests['operator']}",
        "planner": f"docker.io/foretide/operator:v7@{digests['operator']}",
        "extender": f"docker.io/foretide/extender:v7@{digests['extender']}",
        "kube-scheduler": f"registry.k8s.io/kube-scheduler:v1.36.2@sha256:{'5' * 64}",
    }
    settings = read_settings(rendered.environment("foretide-operator", "operator"))
    assert settings.image_onnx == f"docker.io/foretide/profiler:v7-onnx@{digests['onnx']}"
    assert settings.image_torch == f"docker.io/foretide/profiler:v7-torch@{digests['torch']}"


def test_a_digest_of_the_scheduler_is_refused_without_the_version_that_it_is_of() -> None:
    with pytest.raises(HelmError, match=r"scheduler\.image\.tag does not say of which version"):
        render(f"scheduler.image.digest=sha256:{'5' * 64}")


def test_where_namespaces_are_chosen_rights_in_namespaces_are_given_there_alone() -> None:
    rendered = render("watchNamespaces={team-b,team-a,foretide-system}")
    watched = ("foretide-system", "team-a", "team-b")
    given = {
        (key[0], one["metadata"].get("namespace", ""), one["roleRef"]["name"])
        for key, one in rendered.bindings()
        if one["roleRef"]["name"] in {"foretide-operator", "foretide-extender"}
        and one["roleRef"]["kind"] == "ClusterRole"
    }
    roles = ("foretide-operator", "foretide-extender")
    assert given == {("RoleBinding", namespace, role) for namespace in watched for role in roles}
    assert read_settings(rendered.environment("foretide-operator", "operator")).watch_namespaces == watched
    assert PlannerSettings.read(rendered.environment("foretide-operator", "planner")).watch_namespaces == watched
    assert ExtenderSettings.read(rendered.environment("foretide-scheduler", "extender")).watch_namespaces == watched
    (hook,) = rendered["Job", "foretide-release"]["spec"]["template"]["spec"]["containers"]
    assert hook["command"][-3:] == [f"--namespace={namespace}" for namespace in watched]


def test_without_chosen_namespaces_all_are_watched(default: Rendered) -> None:
    assert read_settings(default.environment("foretide-operator", "operator")).watch_namespaces == ()
    kinds = {key[0] for key, one in default.bindings() if one["roleRef"]["name"] == "foretide-operator"}
    assert kinds == {"ClusterRoleBinding", "RoleBinding"}


@pytest.mark.parametrize("chosen", [("team",), ("team", "default")])
def test_events_about_what_lies_in_no_namespace_can_be_written(chosen: tuple[str, ...]) -> None:
    rendered = render(f"watchNamespaces={{{','.join(chosen)}}}")
    assert (("Role", "foretide-operator-events") in rendered) == ("default" not in chosen)


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
    assert (configuration["apiVersion"], configuration["kind"]) == (secondary["apiVersion"], secondary["kind"])
    (extender,), (beside,) = configuration["extenders"], secondary["extenders"]
    assert [name for name, value in beside.items() if extender[name] != value] == ["urlPrefix"]
    assert extender["urlPrefix"] == f"https://{host}:8888"
    assert extender["enableHTTPS"] is True
    assert extender["tlsConfig"]["serverName"] == "foretide-extender.foretide-system.svc"
    assert extender["managedResources"] == [{"name": RESOURCE_TASK, "ignoredByScheduler": True}]
    assert ("get service foretide-extender" in notes) == (not address)


@pytest.mark.parametrize(
    ("distribution", "version", "folder", "kubeconfig"),
    [
        ("kubeadm", "1.36.2", "/etc/kubernetes/foretide", "/etc/kubernetes/scheduler.conf"),
        (
            "k3s",
            "1.36.2+k3s1",
            "/etc/kubernetes/foretide",
            "/var/lib/rancher/k3s/server/cred/scheduler.kubeconfig",
        ),
        (
            "MicroK8s",
            "1.36.2",
            "/var/snap/microk8s/current/args/foretide",
            "/var/snap/microk8s/current/credentials/scheduler.config",
        ),
    ],
)
def test_the_notes_give_the_files_of_each_control_plane_with_its_paths(
    distribution: str, version: str, folder: str, kubeconfig: str
) -> None:
    notes = installation_notes(*EXTERNAL, version=version)
    configuration = external_configuration(notes, distribution)
    assert configuration["clientConnection"] == {"kubeconfig": kubeconfig}
    files = configuration["extenders"][0]["tlsConfig"]
    assert [files[key] for key in ("certFile", "keyFile", "caFile")] == [
        f"{folder}/{name}" for name in ("tls.crt", "tls.key", "ca.crt")
    ]
    assert f"config={folder}/scheduler.yaml" in notes
    assert ("k3s" in notes) == (distribution == "k3s")


def test_the_notes_say_how_a_static_pod_comes_to_read_the_folder() -> None:
    def after(text: str) -> Object:
        read: Object = yaml.safe_load("\n".join(indented(notes.partition(text)[2].splitlines()[1:])))
        return read

    notes = installation_notes(*EXTERNAL)
    manifest = after("/etc/kubernetes/manifests/kube-scheduler.yaml")["spec"]
    (container,), (volume,) = manifest["containers"], manifest["volumes"]
    (mount,) = container["volumeMounts"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], volume["hostPath"]["path"])
    assert container["command"] == [f"--config={mount['mountPath']}/scheduler.yaml"]
    kubeadm = after("ClusterConfiguration (")["scheduler"]
    assert kubeadm["extraArgs"] == [{"name": "config", "value": f"{mount['mountPath']}/scheduler.yaml"}]
    (extra,) = kubeadm["extraVolumes"]
    assert extra["hostPath"] == extra["mountPath"] == mount["mountPath"]


@pytest.mark.parametrize("values", [(), EXTERNAL, ("scheduler.mode=none",)], ids=str)
def test_the_notes_name_the_command_that_says_what_is_wrong(values: tuple[str, ...]) -> None:
    assert "foretide doctor" in installation_notes(*values)


@pytest.mark.cluster
def test_one_step_of_the_extender_outweighs_all_plugins_of_the_real_scheduler(
    understood: tuple[Object, Object],
) -> None:
    _, written = understood
    (profile,) = written["profiles"]
    weights = [plugin["weight"] for plugin in profile["plugins"]["multiPoint"]["enabled"]]
    assert sum(weights) == 14, "the arithmetic in values.yaml and docs/install.md speaks of 14"
    assert written["extenders"][0]["weight"] * 10 > sum(weights) * 100
