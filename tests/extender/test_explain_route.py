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

from foretide_extender.access import KEPT_SECONDS, MOST_KEPT, Access, Denied
from foretide_extender.explain_route import MOST_WAITING, ExplainRoute
from foretide_extender.records import Records
from foretide_kube.client import ApiError, Object
from foretide_kube.explanation import Explanation
from foretide_kube.names import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource
from tests.extender.cluster_values import NOW_SECONDS, cluster, pod_object, workload_object

PATH = "/explain?namespace=team&pod=task-1"
ANN = "known-to-the-server"


class Api:
    """An API server that knows the token of ``ann``, who may get the Pods of ``team``."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.problem: ApiError | None = None
        self.allowed = {"team"}
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
            user = {"username": "ann", "groups": ["team"], "uid": "7", "extra": {"scopes": ["a"]}}
            return {"status": {"authenticated": True, "user": user} if spec["token"] == ANN else {"error": "no"}}
        assert resource == SUBJECT_ACCESS_REVIEWS
        assert (spec["user"], spec["groups"], spec["uid"], spec["extra"]) == ("ann", ["team"], "7", {"scopes": ["a"]})
        wanted = spec["resourceAttributes"]
        assert (wanted["verb"], wanted["resource"]) == ("get", "pods")
        return {"status": {"allowed": wanted["namespace"] in self.allowed}}

    def find(self, _: Resource, name: str, namespace: str) -> Object | None:
        self.asked["pods"] += 1
        return pod_object(name) if (namespace, name) == ("team", "task-1") else None


@pytest.fixture
def api() -> Api:
    return Api()


def route_of(api: Api, clock: Callable[[], float] = lambda: 0.0) -> ExplainRoute:
    access = Access(api, clock=clock)  # type: ignore[arg-type]
    snapshot = cluster(workload_object()).snapshot
    return ExplainRoute(api, access, Records(), snapshot=snapshot, now_seconds=lambda: NOW_SECONDS)  # type: ignore[arg-type]


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
    ("token", "words"), [(None, b"Authorization: Bearer"), ("unknown", b"does not know this token")]
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
        (ApiError(0, "NotReached", "timed out"), b"the API server does not answer: timed out"),
        (
            ApiError(403, "Forbidden", "tokenreviews is forbidden"),
            b"the extender's account lacks a right: token",
        ),
    ],
)
async def test_without_a_word_of_the_api_server_nothing_is_told(api: Api, problem: ApiError, words: bytes) -> None:
    api.problem = problem
    async with serving(api) as client:
        status, body = await get(client)
        assert status == 503
        assert words in body
        api.problem = None
        assert (await get(client))[0] == 200, "what was not answered is asked again"


async def test_what_the_api_server_said_is_good_for_some_seconds_and_no_longer(api: Api) -> None:
    seconds = [0.0]
    async with serving(api, lambda: seconds[0]) as client:
        for _ in range(3):
            assert (await get(client))[0] == 200
        assert api.asked["subjectaccessreviews"] == 1
        api.allowed.clear()
        seconds[0] = KEPT_SECONDS + 0.1
        assert (await get(client))[0] == 403
        api.allowed.add("team")
        assert (await get(client))[0] == 403
        seconds[0] = 2 * KEPT_SECONDS + 0.2
        assert (await get(client))[0] == 200


def test_what_is_kept_of_callers_is_bounded(api: Api) -> None:
    access = Access(api, clock=lambda: 0.0)  # type: ignore[arg-type]
    for number in range(MOST_KEPT + 1):
        with pytest.raises(Denied):
            access.check(f"unknown-{number}", "team", "task-1")
    with pytest.raises(Denied):
        access.check(f"unknown-{MOST_KEPT}", "team", "task-1")
    assert api.asked["tokenreviews"] == MOST_KEPT + 1
    with pytest.raises(Denied):
        access.check("unknown-0", "team", "task-1")
    assert api.asked["tokenreviews"] == MOST_KEPT + 2


async def test_while_the_api_server_is_silent_the_loop_goes_on_and_too_many_are_sent_away(api: Api) -> None:
    api.goes_on.clear()
    route = route_of(api)
    waiting = [asyncio.create_task(route.answer(request(f"unknown-{number}"))) for number in range(MOST_WAITING)]
    try:
        await asyncio.sleep(0)
        refused = await route.answer(request(ANN))
        assert (refused.status, refused.text) == (503, "too many ask at once; try again\n")
    finally:
        api.goes_on.set()
        answers = await asyncio.gather(*waiting)
    assert {each.status for each in answers} == {401}
    assert (await route.answer(request(ANN))).status == 200
