"""Who gets a Pod explained and who does not, over a real socket, with an API server made of values."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import test_utils, web

from foretide_extender import explain_route
from foretide_extender.access import KEPT_SECONDS, MOST_KEPT, MOST_QUESTIONS, QUESTIONS_PER_SECOND, Access, Denied
from foretide_extender.explain_route import MOST_WAITING, NOW_SECONDS, ExplainRoute
from foretide_extender.explaining import explain
from foretide_extender.records import Records
from foretide_kube.client import ApiError, Object
from foretide_kube.explanation import Explanation
from foretide_kube.names import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource
from tests.extender.cluster_values import NOW_SECONDS as EPOCH_SECONDS
from tests.extender.cluster_values import cluster, pod_object, workload_object

PATH = "/explain?namespace=team&pod=task-1"
ANN = "a.token.known"
BOB = "b.token.known"
FOR_THE_SERVER = "a.token.for-the-api-server"


class Api:
    """An API server that knows ``ann`` and ``bob``, who may get the Pods of ``team``; ann may list nodes too."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.problem: ApiError | None = None
        self.allowed = {("get", "pods", "team"), ("list", "nodes", "")}
        self.goes_on = threading.Event()
        self.goes_on.set()

    def create(self, resource: Resource, body: Object, *, timeout_seconds: float) -> Object:
        assert timeout_seconds <= 5.0
        self.goes_on.wait(20.0)
        self.asked[resource.plural] += 1
        if self.problem is not None:
            raise self.problem
        spec = body["spec"]
        if resource == TOKEN_REVIEWS:
            user = {
                "username": "bob" if spec["token"] == BOB else "ann",
                "groups": ["team"],
                "uid": "7",
                "extra": {"scopes": ["a"]},
            }
            known = {"authenticated": True, "user": user}
            if spec["token"] == FOR_THE_SERVER:  # as of an authenticator that does not look at audiences
                return {"status": known}
            assert spec["audiences"] == ["foretide-explain"]
            known |= {"audiences": ["foretide-explain"]}
            return {"status": known if spec["token"] in {ANN, BOB} else {"error": "no such key"}}
        assert resource == SUBJECT_ACCESS_REVIEWS
        assert (spec["groups"], spec["uid"], spec["extra"]) == (["team"], "7", {"scopes": ["a"]})
        wanted = spec["resourceAttributes"]
        if spec["user"] == "bob" and wanted["verb"] != "get":
            return {"status": {"allowed": False}}
        return {"status": {"allowed": (wanted["verb"], wanted["resource"], wanted["namespace"]) in self.allowed}}

    def list_objects(self, _: Resource, namespace: str, *, field_selector: str) -> list[Object]:
        self.asked["pods"] += 1
        is_there = (namespace, field_selector) == ("team", "metadata.name=task-1")
        return [pod_object("task-1")] if is_there else []


@pytest.fixture
def api() -> Api:
    return Api()


def route_of(api: Api, clock: Callable[[], float] = lambda: 0.0) -> ExplainRoute:
    access = Access(api, (), clock=clock)  # type: ignore[arg-type]
    snapshot = cluster(workload_object()).snapshot
    return ExplainRoute(access, Records(), snapshot=snapshot, now_seconds=lambda: EPOCH_SECONDS, clock=clock)


def request(token: str) -> web.Request:
    return test_utils.make_mocked_request("GET", PATH, headers={"Authorization": f"Bearer {token}"})


@asynccontextmanager
async def serving(api: Api, clock: Callable[[], float] = lambda: 0.0) -> AsyncIterator[test_utils.TestClient[Any, Any]]:
    app = web.Application()
    app.router.add_get("/explain", route_of(api, clock).answer)
    async with test_utils.TestClient(test_utils.TestServer(app)) as client:
        yield client


async def get(client: test_utils.TestClient[Any, Any], path: str = PATH, token: str | None = ANN) -> tuple[int, bytes]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with client.get(path, headers=headers) as response:
        return response.status, await response.read()


async def test_who_may_get_the_pod_gets_it_explained(api: Api) -> None:
    async with serving(api) as client:
        status, body = await get(client)
        told = msgspec.json.decode(body, type=Explanation)
    assert status == 200
    assert (told.pod, told.status, told.as_of) == ("task-1", "NotDecided", "now")
    assert told.candidates[0].nodes == ["fast-1"]


async def test_a_pod_that_is_not_there_is_told_from_one_that_may_not_be_seen(api: Api) -> None:
    async with serving(api) as client:
        status, body = await get(client, "/explain?namespace=team&pod=nobody")
        assert (status, msgspec.json.decode(body)["status"]) == (404, "NotFound")
        status, body = await get(client, "/explain?namespace=theirs&pod=task-1")
    assert (status, body) == (403, b"ann lacks the right to get pods in namespace theirs\n")
    assert api.asked["pods"] == 1, "of what may not be seen nothing is looked up"


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, b"Authorization: Bearer"),
        ("a.token.unknown", b"does not know this token"),
        (FOR_THE_SERVER, b"was not made for foretide-explain"),
    ],
)
async def test_who_shows_no_token_or_an_unknown_one_is_told_nothing(api: Api, token: str | None, words: bytes) -> None:
    async with serving(api) as client:
        status, body = await get(client, token=token)
    assert status == 401
    assert words in body
    assert api.asked["pods"] == 0


@pytest.mark.parametrize(
    "path", ["/explain", "/explain?namespace=team", "/explain?namespace=team&pod=../x", "/explain?namespace=&pod=a"]
)
async def test_a_request_that_names_no_pod_is_told_how_to_ask(api: Api, path: str) -> None:
    async with serving(api) as client:
        status, body = await get(client, path)
    assert (status, body) == (400, b"write /explain?namespace=NAMESPACE&pod=NAME\n")


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (ApiError(0, "NotReached", "10.0.0.1 timed out"), "10.0.0.1 timed out"),
        (ApiError(403, "Forbidden", "tokenreviews is forbidden"), "tokenreviews is forbidden"),
    ],
)
async def test_without_a_word_of_the_api_server_nothing_is_told_and_why_is_in_the_log_alone(
    api: Api, problem: ApiError, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    api.problem = problem
    async with serving(api) as client:
        assert await get(client) == (503, b"the API server does not answer; the extender's log says why\n")
        assert words in caplog.text
        api.problem = None
        assert (await get(client))[0] == 200, "what was not answered is asked again"


async def test_what_the_api_server_said_is_good_for_some_seconds_and_no_longer(api: Api) -> None:
    seconds = [0.0]
    async with serving(api, lambda: seconds[0]) as client:
        for _ in range(3):
            assert (await get(client))[0] == 200
        assert (api.asked["tokenreviews"], api.asked["subjectaccessreviews"]) == (1, 3)
        assert (await get(client, "/explain?namespace=team&pod=another"))[0] == 404
        assert (api.asked["tokenreviews"], api.asked["subjectaccessreviews"]) == (1, 4)
        api.allowed.clear()
        seconds[0] = KEPT_SECONDS + 0.1
        assert (await get(client))[0] == 403
        api.allowed.add(("get", "pods", "team"))
        assert (await get(client))[0] == 403
        seconds[0] = 2 * KEPT_SECONDS + 0.2
        assert (await get(client))[0] == 200


async def test_what_has_not_the_form_of_a_token_is_refused_without_asking(api: Api) -> None:
    async with serving(api) as client:
        for token in ("opaque", "sha256~opaque", "a.token", "a..token", "a.b.c.d", "a.token.k\u00fcnown"):
            assert (await get(client, token=token))[0] == 401
    assert not api.asked


@pytest.mark.parametrize(
    ("watched", "listed", "sees_others"),
    [
        ((), {""}, True),
        ((), {"team", "home"}, False),
        (("home", "team"), {"team", "home"}, True),
        (("home", "team"), {"home"}, False),
    ],
)
def test_what_others_take_is_for_who_may_list_the_pods_wherever_the_extender_knows_them(
    api: Api, watched: tuple[str, ...], listed: set[str], *, sees_others: bool
) -> None:
    api.allowed |= {("list", "pods", namespace) for namespace in listed}
    access = Access(api, watched, clock=lambda: 0.0)  # type: ignore[arg-type]
    assert access.look(ANN, "team", "task-1").rights.sees_others is sees_others


def test_as_many_namespaces_as_are_watched_are_asked_about_at_once(api: Api) -> None:
    watched = tuple(f"team-{number}" for number in range(2 * MOST_KEPT))
    api.allowed |= {("list", "pods", namespace) for namespace in watched}
    access = Access(api, watched, clock=lambda: 0.0)  # type: ignore[arg-type]
    for _ in range(2):
        assert access.look(ANN, "team", "task-1").rights.sees_others
    assert api.asked["subjectaccessreviews"] == 2 + len(watched)


def test_the_api_server_is_asked_so_often_and_no_more_and_nobody_displaces_what_is_known_of_others(api: Api) -> None:
    seconds = [0.0]
    access = Access(api, (), clock=lambda: seconds[0])  # type: ignore[arg-type]
    access.look(ANN, "team", "task-1")
    statuses: Counter[int] = Counter()
    for number in range(10 * MOST_KEPT):
        seconds[0] = number * KEPT_SECONDS / (10 * MOST_KEPT)
        with pytest.raises(Denied) as denied:
            access.look(f"a.token.unknown-{number}", "team", "task-1")
        statuses[denied.value.status] += 1
    assert statuses[503]
    assert statuses[401] == pytest.approx(MOST_QUESTIONS - 5 + KEPT_SECONDS * QUESTIONS_PER_SECOND, abs=2)
    assert statuses[401] < MOST_KEPT
    asked = api.asked["tokenreviews"]
    seconds[0] = KEPT_SECONDS
    access.look(ANN, "team", "task-1")
    assert api.asked["tokenreviews"] == asked


async def test_who_is_sent_away_for_too_many_questions_is_told_when_to_come_again(api: Api) -> None:
    async with serving(api) as client:
        for number in range(MOST_QUESTIONS):
            await get(client, token=f"a.token.unknown-{number}")
        async with client.get(PATH, headers={"Authorization": f"Bearer {ANN}"}) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "1")


async def test_what_would_be_decided_now_is_told_again_for_some_seconds(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned = Counter[str]()

    def counted(namespace: str, name: str, *rest: Any) -> Explanation:
        reckoned[name] += 1
        return explain(namespace, name, *rest)

    monkeypatch.setattr(explain_route, "explain", counted)
    seconds = [0.0]
    async with serving(api, lambda: seconds[0]) as client:
        first = await get(client)
        assert await get(client) == first
        assert reckoned["task-1"] == 1
        _, narrow = await get(client, token=BOB)
        assert msgspec.json.decode(narrow)["candidates"] == [], "what one may see is not told to another"
        before = reckoned["task-1"]
        seconds[0] = NOW_SECONDS + 0.1
        assert await get(client) == first
    assert reckoned["task-1"] == before + 1


async def test_while_the_api_server_is_silent_the_loop_goes_on_and_too_many_are_sent_away(api: Api) -> None:
    api.goes_on.clear()
    route = route_of(api)
    callers = [request(f"a.token.unknown-{number}") for number in range(MOST_WAITING)]
    waiting = [asyncio.create_task(route.answer(caller)) for caller in callers]
    try:
        await asyncio.sleep(0)
        refused = await route.answer(request(ANN))
        assert (refused.status, refused.text) == (503, "too many requests at once; try again\n")
    finally:
        api.goes_on.set()
        answers = await asyncio.gather(*waiting)
    assert {each.status for each in answers} == {401}
    assert (await route.answer(request(ANN))).status == 200
