"""`foretide explain pod`: which replica is believed, what the table says, and what is missing where nothing comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from foretide_cli.asking import TOKEN_ACCOUNT
from foretide_cli.explain import explain, parts_of
from foretide_cli.tables import in_words
from foretide_kube.client import ApiError, Object
from foretide_kube.explanation import Candidates, Explanation, Placed, Planned, RefusedNodes, Step
from foretide_kube.forwarding import PodPort
from foretide_kube.names import Resource
from foretide_kube.pod_plan import PodPlan
from tests.cli.shown import Shown

TOLD = Explanation(
    namespace="team",
    pod="task-1",
    status="Decided",
    message="this is the last decision",
    as_of="2026-09-21T14:13:20.000Z",
    workload="resnet",
    inferences=100,
    percentile=90,
    cpu_millis=1000,
    filter=Step(source="Measured"),
    prioritize=Step(source="Measured"),
    candidates=[
        Candidates(
            nodes=["fast-1"],
            score=10,
            node_class="fast",
            source="Learned",
            model_version="v7",
            completion_seconds=4.0,
            alone_seconds=1.5,
            startup_seconds=0.5,
            work_seconds=1.0,
            pull_seconds=2.0,
            contention_seconds=0.25,
            sharing_seconds=0.25,
            median_seconds=3.5,
            upper_seconds=4.5,
            others=1,
            others_cpu_millis=1500,
            allocatable_cpu_millis=2000,
        ),
        Candidates(nodes=[f"slow-{number}" for number in range(5)], score=4, node_class="slow", source="ClassSpeed"),
        Candidates(nodes=["bare"]),
    ],
    refused=[RefusedNodes(reason="DeadlineUnreachable", message="takes 9 s", nodes=["old-1", "old-2"])],
    overruled=["PredictedOutOfMemory"],
    placed=Placed(node="slow-0", best_node="fast-1", completion_seconds=7.0, best_seconds=4.0, regret_seconds=3.0),
    planned=Planned(
        node="fast-1", plan=PodPlan(node="fast-1", waits_for="team/other", opened_time="2026-09-21T14:13:19Z")
    ),
)


class Api:
    """An API server with two ready replicas and one that is not."""

    def __init__(self) -> None:
        self.refused = ""
        self.pods = [replica("one"), replica("two"), replica("starting", is_ready=False)]

    def authorization(self) -> str:
        return "Bearer mine"

    def list_objects(self, resource: Resource, namespace: str, *, label_selector: str) -> list[Object]:
        assert (resource.plural, namespace) == ("pods", "system")
        assert "foretide" in label_selector
        if self.refused == "list":
            raise ApiError(403, "Forbidden", "no")
        return self.pods

    def raw(self, method: str, path: str, *, body: Object) -> Object:
        assert (method, path) == ("POST", f"/api/v1/namespaces/system/serviceaccounts/{TOKEN_ACCOUNT}/token")
        assert body["spec"] == {"audiences": ["foretide-explain"], "expirationSeconds": 600}
        if self.refused == "token":
            raise ApiError(403, "Forbidden", "no")
        return {"status": {"token": "lent"}}


def replica(name: str, *, is_ready: bool = True) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {
            "containers": [
                {"name": "kube-scheduler", "ports": [{"name": "https", "containerPort": 10259}]},
                {"name": "extender", "ports": [{"name": "metrics", "containerPort": 8082}]},
            ]
        },
        "status": {"containerStatuses": [{"name": "extender", "ready": is_ready}]},
    }


class Heard:
    """What the replicas answer, and what was said in the end."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[PodPort, str, Mapping[str, str]]] = []
        self.shown = Shown()
        self.complaints: list[str] = []

    def get(self, _: Any, where: PodPort, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self.asked.append((where, path, headers))
        answer = self.answers[where.pod]
        if isinstance(answer, ApiError):
            raise answer
        status, body = answer
        return status, msgspec.json.encode(body) if isinstance(body, Explanation) else body

    def complain(self, problem: str) -> int:
        self.complaints.append(problem)
        return 1

    def run(self, api: Api | None = None) -> int:
        return explain(
            api or Api(),  # type: ignore[arg-type]
            "team",
            "task-1",
            system_namespace="system",
            most_nodes=10,
            get=self.get,
            show=self.shown,
            complain=self.complain,
        )


def other(**changes: Any) -> Explanation:
    return msgspec.structs.replace(TOLD, **changes)


def words_of(told: Explanation, most_nodes: int | None = 10) -> str:
    return in_words(parts_of(told, most_nodes))


NOT_ASKED = other(status="NotDecided", as_of="now")
UNKNOWN = other(status="NotFound", message="there is no Pod team/task-1")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (TOLD, NOT_ASKED),
        (NOT_ASKED, TOLD),
        (TOLD, other(as_of="2026-09-21T14:13:19.999Z")),
        (UNKNOWN, TOLD),
    ],
)
def test_the_latest_decision_of_all_replicas_is_told(one: Explanation, two: Explanation) -> None:
    heard = Heard(one=(200, one), two=(200, two))
    assert heard.run() == 0
    assert msgspec.convert(heard.shown.document, Explanation) == TOLD
    where, path, headers = heard.asked[0]
    assert (where, path) == (PodPort("system", "one", 8082), "/explain?namespace=team&pod=task-1")
    assert headers == {"Authorization": "Bearer lent"}, "one's own is shown to nobody"
    assert len(heard.asked) == 2, "one that is not ready is not asked"


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"Decided"}',
        b'{"kind":"Status","code":404}',
        b"{broken",
        msgspec.json.encode(TOLD).replace(b'"Learned"', b'"Guessed"'),
    ],
)
def test_what_is_not_understood_is_a_problem_of_that_replica(body: bytes) -> None:
    heard = Heard(one=(200, body), two=(200, NOT_ASKED))
    assert heard.run() == 0
    (complaint,) = heard.complaints
    assert complaint.endswith("one gave an answer that this version cannot read; use the foretide of the same release")
    assert Heard(one=(200, body), two=(200, body)).run() == 1


def test_a_replica_that_cannot_be_asked_is_named_only_where_it_may_know_more() -> None:
    away = ApiError(0, "NotForwarded", "port 8082 of Pod system/two: refused")
    heard = Heard(one=(200, TOLD), two=away)
    assert (heard.run(), heard.complaints) == (0, [])
    heard = Heard(one=(200, NOT_ASKED), two=away)
    assert heard.run() == 0
    assert heard.complaints == ["another replica may know more: port 8082 of Pod system/two: refused"]


def test_what_every_replica_refuses_is_said_once_in_its_words() -> None:
    text = b"ann lacks the right to get pods in namespace team\n"
    heard = Heard(one=(403, text), two=(403, text))
    assert heard.run() == 1
    assert heard.shown.document is None
    assert "one answers 403: ann lacks the right to get pods in namespace team" in heard.complaints[0]


def test_a_pod_that_is_not_there_is_a_failure() -> None:
    heard = Heard(one=(404, UNKNOWN), two=(404, UNKNOWN))
    assert (heard.run(), heard.complaints, heard.shown.document) == (1, ["there is no Pod team/task-1"], None)


def test_without_an_extender_the_way_out_is_told() -> None:
    api, heard = Api(), Heard()
    api.pods = [replica("starting", is_ready=False)]
    assert heard.run(api) == 1
    assert "--system-namespace" in heard.complaints[0]


@pytest.mark.parametrize(
    ("refused", "right"),
    [
        ("list", "list pods in namespace system"),
        ("token", f"create serviceaccounts/token for {TOKEN_ACCOUNT} in namespace system"),
        ("forward", "create pods/portforward in namespace system"),
    ],
)
def test_a_right_that_is_missing_is_named(refused: str, right: str) -> None:
    api = Api()
    api.refused = refused
    heard = Heard(one=ApiError(403, "Forbidden", "no"), two=(200, TOLD))
    with pytest.raises(ApiError) as refusal:
        heard.run(api)
    assert right in refusal.value.message


def test_the_table_has_the_facts_the_candidates_with_their_terms_and_the_refused() -> None:
    lines = words_of(TOLD).splitlines()
    facts = {" ".join(line.split()) for line in lines}
    assert {
        "Pod team/task-1",
        "workload resnet, 100 inferences, 1 CPU",
        "compared by the seconds that 90 % of such tasks keep to",
        "filter based on Measured",
        "set aside PredictedOutOfMemory: would have refused all nodes",
        "model v7",
        "planned fast-1",
        "waits for team/other",
        "went to slow-0, 3.0 s later than on fast-1 by these figures",
        "fast-1 fast Learned 10 4.0 0.5 1.0 2.0 0.2 0.2 3.5 4.5 1.5 of 2 CPU",
        "slow-0, slow-1, slow-2 and 2 more slow ClassSpeed 4 - - - - - - - - -",
        "bare - Unknown - - - - - - - - - -",
        "DeadlineUnreachable takes 9 s old-1, old-2",
    } <= facts


def test_on_eighty_columns_each_candidate_still_has_its_rows_beside_the_others() -> None:
    long = msgspec.structs.replace(TOLD.candidates[0], nodes=["ip-10-0-12-34.eu-west-1.compute.internal"])
    told = other(candidates=[TOLD.candidates[0], long])
    lines = in_words(parts_of(told, 10), width=80).splitlines()
    assert max(map(len, lines)) <= 80
    headers = [line.split() for line in lines if line.startswith("node ")]
    rows = [line.split() for line in lines if line.startswith("fast-1 ")]
    assert " ".join(word for header in headers for word in header[1:]) == (
        "class source score seconds start-up work pull contention sharing median upper others there"
    )
    assert " ".join(word for row in rows for word in row[1:]) == (
        "fast Learned 10 4.0 0.5 1.0 2.0 0.2 0.2 3.5 4.5 1.5 of 2 CPU"
    )
    assert len([line for line in lines if line.startswith("ip-10-0-12-34")]) == len(rows) == len(headers) < 5


def test_a_table_shows_the_best_nodes_and_how_many_there_are_besides() -> None:
    words = words_of(TOLD, 1)
    assert "fast-1" in words
    assert "slow-1" not in words
    assert "6 more nodes; --nodes all shows them" in words
    assert "more nodes" not in words_of(TOLD, None)


def test_a_decision_that_failed_open_and_one_that_would_be_made_now_say_so() -> None:
    assert "failed open: DeadlineExceeded" in words_of(other(filter=Step(failed_open="DeadlineExceeded")))
    assert "now, not earlier" in words_of(NOT_ASKED)
