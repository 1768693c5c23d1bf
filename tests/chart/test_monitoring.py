"""What the chart brings for Prometheus and Grafana, and where."""

from __future__ import annotations

import json
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.chart.rendering import CHART, HelmError, Rendered, helm, render, rendered_text

ALL = ("monitoring.serviceMonitor.enabled=true", "monitoring.prometheusRule.enabled=true",
       "monitoring.dashboard.enabled=true")  # fmt: skip
OBJECTS = {
    ("Service", "foretide-metrics"),
    ("ServiceMonitor", "foretide"),
    ("PrometheusRule", "foretide"),
    ("ConfigMap", "foretide-dashboard"),
}


@pytest.fixture(scope="module")
def monitored() -> Rendered:
    return render(*ALL)


def where_there_are(kinds: tuple[str, ...], *values: str) -> Rendered:
    """As in a cluster with these kinds of the Prometheus Operator, of which it says the API's version as well."""
    api = "monitoring.coreos.com/v1"
    there = ",".join([api, *(f"{api}/{kind}" for kind in kinds)])
    words = ["template", "foretide", str(CHART), "--kube-version", "1.36.2", "--api-versions", there]
    return Rendered(helm(*words, *(word for value in values for word in ("--set", value))))


def test_it_is_there_where_the_cluster_knows_of_it_or_it_is_asked_for(monitored: Rendered) -> None:
    assert not OBJECTS & render().objects.keys()
    whole = ("ServiceMonitor", "PrometheusRule")
    assert where_there_are(whole).objects.keys() >= OBJECTS
    assert monitored.objects.keys() >= OBJECTS
    without = where_there_are(whole, *(value.replace("=true", "=false") for value in ALL))
    assert not OBJECTS & without.objects.keys()
    assert render("monitoring.dashboard.enabled=true").objects.keys() & OBJECTS == {("ConfigMap", "foretide-dashboard")}


def test_nothing_is_made_of_a_kind_that_the_cluster_lacks_of_that_api() -> None:
    rule = {("PrometheusRule", "foretide")}
    assert not OBJECTS & where_there_are(("PodMonitor",)).objects.keys()
    assert where_there_are(("PrometheusRule",)).objects.keys() & OBJECTS == rule
    assert where_there_are(("ServiceMonitor",)).objects.keys() & OBJECTS == OBJECTS - rule


def test_what_kubernetes_itself_knows_of_it_is_valid(monitored: Rendered) -> None:
    for kind, name in OBJECTS:
        if kind in {"Service", "ConfigMap"}:
            kubernetes_validate.validate(monitored[kind, name], "1.36", strict=True)


@pytest.mark.parametrize("mode", ["secondary", "external", "none"])
def test_every_port_with_metrics_is_reached_through_the_service(mode: str) -> None:
    rendered = render(*ALL, f"scheduler.mode={mode}", "scheduler.external.tlsSecret=tls")
    service = rendered["Service", "foretide-metrics"]
    monitor = rendered["ServiceMonitor", "foretide"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    targets = {one["name"]: one["targetPort"] for one in service["spec"]["ports"]}
    assert [one["port"] for one in monitor["endpoints"]] == list(targets)
    reached, named = set(), set()
    for (kind, name), deployment in rendered.objects.items():
        if kind == "Deployment":
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            assert service["spec"]["selector"].items() <= labels.items()
            ports = [port for container in rendered.pod(name)["containers"] for port in container["ports"]]
            reached |= {(name, port["name"]) for port in ports if port["name"] in targets.values()}
            named |= {(name, port["name"]) for port in ports if port["name"].endswith("metrics")}
    assert reached == named
    assert (len(reached), "planner-metrics" in targets) == (2 if mode == "none" else 3, True)


def test_the_rules_are_those_of_the_file_and_say_nothing_of_placing_where_nothing_is_placed(
    monitored: Rendered,
) -> None:
    groups: list[dict[str, Any]] = yaml.safe_load((CHART / "monitoring" / "rules.yaml").read_text())["groups"]
    assert monitored["PrometheusRule", "foretide"]["spec"] == {"groups": groups}
    without = render(*ALL, "scheduler.mode=none")["PrometheusRule", "foretide"]["spec"]["groups"]
    assert without == [group for group in groups if group["name"] != "foretide.placing"]
    assert len(without) == len(groups) - 1


def test_grafana_s_sidecar_finds_the_dashboard_as_it_was_made(monitored: Rendered) -> None:
    found = monitored["ConfigMap", "foretide-dashboard"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["foretide.json"]) == json.loads((CHART / "monitoring/dashboard.json").read_text())


def test_labels_and_interval_are_those_of_the_values() -> None:
    rendered = render(
        *ALL, "monitoring.serviceMonitor.labels.release=stack", "monitoring.prometheusRule.labels.release=stack",
        "monitoring.serviceMonitor.interval=15s", "monitoring.dashboard.labels.folder=edge",
    )  # fmt: skip
    for key in (("ServiceMonitor", "foretide"), ("PrometheusRule", "foretide")):
        assert rendered[key]["metadata"]["labels"]["release"] == "stack"
    assert [one["interval"] for one in rendered["ServiceMonitor", "foretide"]["spec"]["endpoints"]] == ["15s", "15s"]
    assert rendered["ConfigMap", "foretide-dashboard"]["metadata"]["labels"]["folder"] == "edge"


@pytest.mark.parametrize(
    ("kind", "value"),
    [("ServiceMonitor", "serviceMonitor"), ("PrometheusRule", "prometheusRule"), ("ConfigMap", "dashboard")],
)
def test_a_label_of_the_values_takes_the_place_of_ours_and_stands_there_once(kind: str, value: str) -> None:
    key = "app.kubernetes.io/part-of"
    path = key.replace(".", r"\.")
    text = rendered_text(*ALL, f"monitoring.{value}.labels.{path}=stack")
    (found,) = [each for each in text.split("\n---\n") if f"{key}: stack" in each]
    assert found.count(f"{key}:") == 1
    labels = yaml.safe_load(found)["metadata"]["labels"]
    assert (yaml.safe_load(found)["kind"], labels["app.kubernetes.io/instance"]) == (kind, "foretide")


@pytest.mark.parametrize(
    "value", ["dashboard.enabled=maybe", "serviceMonitor.interval=soon", "dashboards.enabled=true"]
)
def test_what_means_nothing_is_refused(value: str) -> None:
    with pytest.raises(HelmError, match=value.partition(".")[0]):
        render(f"monitoring.{value}")
