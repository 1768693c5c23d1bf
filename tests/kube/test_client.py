"""Client and cache against the real API server: the verbs, the errors, the watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from devcluster import Cluster
from foretide_kube.cache import WatchCache
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.events import event_body
from foretide_kube.names import CONFIG_MAPS, EVENTS, NAMESPACES

pytestmark = pytest.mark.cluster
NAMESPACE = "kube-client"


@pytest.fixture(scope="module")
def client(control_plane: Cluster) -> Iterator[KubeClient]:
    client = KubeClient.connect(str(control_plane.kubeconfig))
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield client
    client.delete(NAMESPACES, NAMESPACE)


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"of": "test"}}, "data": data}


def eventually(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_an_object_is_made_found_changed_applied_and_deleted(client: KubeClient) -> None:
    made = client.create(CONFIG_MAPS, config_map("verbs", a="1"), NAMESPACE)
    assert made["metadata"]["uid"]
    assert client.patch(CONFIG_MAPS, "verbs", {"data": {"b": "2"}}, NAMESPACE)["data"] == {"a": "1", "b": "2"}
    body = config_map("verbs", a="3")
    applied = client.patch(CONFIG_MAPS, "verbs", body, NAMESPACE, patch_type="apply", field_manager="test", force=True)
    assert applied["data"]["a"] == "3"
    assert client.delete(CONFIG_MAPS, "verbs", NAMESPACE)
    assert not client.delete(CONFIG_MAPS, "verbs", NAMESPACE)
    assert client.find(CONFIG_MAPS, "verbs", NAMESPACE) is None


def test_errors_tell_what_they_are(client: KubeClient) -> None:
    made = client.create(CONFIG_MAPS, config_map("errors"), NAMESPACE)
    with pytest.raises(ApiError) as taken:
        client.create(CONFIG_MAPS, config_map("errors"), NAMESPACE)
    assert taken.value.is_already_there
    client.patch(CONFIG_MAPS, "errors", {"data": {"x": "y"}}, NAMESPACE)
    with pytest.raises(ApiError) as conflict:
        client.replace(CONFIG_MAPS, made, NAMESPACE)
    assert conflict.value.is_conflict
    with pytest.raises(ApiError) as missing:
        client.get(CONFIG_MAPS, "nowhere", NAMESPACE)
    assert missing.value.is_not_found
    assert not missing.value.is_transient


def test_lists_come_in_pages_with_kinds(client: KubeClient) -> None:
    for number in range(7):
        client.create(CONFIG_MAPS, config_map(f"page-{number}"), NAMESPACE)
    items, version = client.list_objects_with_version(CONFIG_MAPS, NAMESPACE, label_selector="of=test", page_size=3)
    assert {f"page-{number}" for number in range(7)} <= {item["metadata"]["name"] for item in items}
    assert {item["kind"] for item in items} == {"ConfigMap"}
    assert version.isdigit()


def test_a_cache_follows_the_server(client: KubeClient) -> None:
    cache = WatchCache(
        client, CONFIG_MAPS, clock=time.monotonic, namespaces=(NAMESPACE,), label_selector="of=test", watch_seconds=3
    )
    heard: list[str] = []
    cache.add_listener(lambda kind, item: heard.append(f"{kind} {item['metadata']['name']}"))
    cache.start()
    assert cache.wait_synced(20)
    made = client.create(CONFIG_MAPS, config_map("live"), NAMESPACE)
    cache.absorb(made)
    assert cache.get("live", NAMESPACE) is not None
    client.patch(CONFIG_MAPS, "live", {"data": {"x": "y"}}, NAMESPACE)
    eventually(lambda: (cache.get("live", NAMESPACE) or {}).get("data") == {"x": "y"})
    client.delete(CONFIG_MAPS, "live", NAMESPACE)
    eventually(lambda: cache.get("live", NAMESPACE) is None)
    assert [entry for entry in heard if entry.endswith("live")] == ["ADDED live", "MODIFIED live", "DELETED live"]
    assert cache.age_seconds() < 20
    cache.stop()


def test_an_event_is_one_that_the_server_takes(client: KubeClient) -> None:
    about = client.create(CONFIG_MAPS, config_map("subject"), NAMESPACE)
    body = event_body(
        {**about, "apiVersion": "v1", "kind": "ConfigMap"},
        "Warning",
        "JustATest",
        "words " * 400,
        component="test",
        fallback_namespace="x",
        now=datetime.now(UTC),
    )
    client.create(EVENTS, body, NAMESPACE)
    (found,) = client.list_objects(EVENTS, NAMESPACE, field_selector="reason=JustATest")
    assert found["involvedObject"]["uid"] == about["metadata"]["uid"]
