"""Bodies as kube-scheduler 1.36.2 sent them, replayed.

Recorded from the stock scheduler for one task and six nodes, with ``nodeCacheCapable`` true (names) and false
(nodes). Both verbs carry the same body.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from foretide.placement.task import Task
from foretide_extender.decide import decide_filter, decide_prioritize
from foretide_extender.wire import decode, encode_filter, encode_prioritize
from tests.extender.cluster_values import NODES, cluster, workload_object

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("form", ["names", "nodes"])
def test_the_schedulers_own_requests_are_read_and_answered_in_their_form(form: str) -> None:
    body = (GOLDEN / f"{form}.json").read_bytes()
    request = decode(body)
    assert sorted(request.names) == sorted(NODES)
    assert (request.pod.namespace, request.pod.name, request.pod.workload) == ("team", f"task-{form}", "resnet")
    assert request.pod.is_task
    assert request.pod.task == Task(inferences=200, cpu_millis=1000, memory_limit_bytes=512 * 2**20)
    assert request.pod.created_seconds is not None
    assert request.pod.node is None

    now_seconds = request.pod.created_seconds + 1.0
    snapshot = cluster(workload_object(deadline_milliseconds=8000)).snapshot()
    refused = decide_filter(snapshot, request.pod, request.names, now_seconds).refused
    assert set(refused) == {"slow-1", "slow-2"}
    reply = msgspec.json.decode(encode_filter(request, refused))
    asked = msgspec.json.decode(body)
    assert set(reply["FailedAndUnresolvableNodes"]) == {"slow-1", "slow-2"}
    if form == "names":
        assert reply["NodeNames"] == [name for name in asked["NodeNames"] if not name.startswith("slow")]
        assert reply["Nodes"] is None
    else:
        kept = [item for item in asked["Nodes"]["items"] if not item["metadata"]["name"].startswith("slow")]
        assert reply["Nodes"]["items"] == kept
        assert reply["NodeNames"] is None

    answer = decide_prioritize(snapshot, request.pod, request.names, now_seconds)
    scored = msgspec.json.decode(encode_prioritize(request, answer.entries, answer.top))
    assert [item["Host"] for item in scored] == list(request.names)
    assert max(scored, key=lambda item: item["Score"]) == {"Host": "fast-1", "Score": 10}


@pytest.mark.parametrize("form", ["names", "nodes"])
def test_with_nothing_refused_whole_nodes_go_back_unchanged(form: str) -> None:
    body = (GOLDEN / f"{form}.json").read_bytes()
    asked = msgspec.json.decode(body)
    reply = msgspec.json.decode(encode_filter(decode(body), {}))
    assert (reply["NodeNames"], reply["Nodes"]) == (asked["NodeNames"], asked["Nodes"])
    assert reply["FailedAndUnresolvableNodes"] == {}
