"""A watch cache never goes back in time, whatever the order in which list, watch and writers speak."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide_kube.cache import WatchCache
from foretide_kube.client import ApiError, Object
from foretide_kube.names import CONFIG_MAPS, NODES


def config_map(name: str, version: int, uid: str = "") -> Object:
    return {"metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version)}}


class Script:
    """A server that gives one list after the other, each followed by its events; then it holds the watch open."""

    def __init__(self, *rounds: tuple[list[Object], int, list[tuple[str, Object] | ApiError]]) -> None:
        self._rounds = list(rounds)
        self._events: list[tuple[str, Object] | ApiError] = []
        self.all_told = threading.Event()

    def list_objects_with_version(self, *_: Any, reduce: Any, **__: Any) -> tuple[list[Object], str]:
        items, version, self._events = self._rounds.pop(0)
        return [item for item in map(reduce, items) if item is not None], str(version)

    def watch(self, *_: Any, **__: Any) -> Iterator[tuple[str, Object]]:
        while self._events:
            event = self._events.pop(0)
            if isinstance(event, ApiError):
                raise event
            yield event
        self.all_told.set()
        threading.Event().wait(0.05)


def run(script: Script) -> tuple[WatchCache, list[tuple[str, str]]]:
    """A cache that has heard the whole script, and what its listener heard."""
    cache = WatchCache(script, CONFIG_MAPS, clock=itertools.count().__next__)  # type: ignore[arg-type]
    heard: list[tuple[str, str]] = []
    cache.add_listener(lambda kind, item: heard.append((kind, item["metadata"]["name"])))
    cache.start()
    assert script.all_told.wait(5.0)
    cache.stop()
    return cache, heard


def names(cache: WatchCache) -> dict[str, str]:
    return {name: item["metadata"]["resourceVersion"] for (_, name), item in cache.snapshot().items()}


def test_what_vanished_while_the_watch_was_broken_is_reported_as_deleted() -> None:
    cache, heard = run(
        Script(
            ([config_map("a", 1), config_map("b", 2)], 2, [ApiError(410, "Expired", "too old")]),
            ([config_map("b", 2), config_map("c", 5)], 6, []),
        )
    )
    assert names(cache) == {"b": "2", "c": "5"}
    assert heard == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


def test_a_namesake_that_came_while_the_watch_was_broken_is_told_as_another_object() -> None:
    script = Script(
        ([config_map("a", 1, "first")], 1, [ApiError(410, "Expired", "too old")]),
        ([config_map("a", 5, "second")], 6, []),
    )
    cache = WatchCache(script, CONFIG_MAPS, clock=itertools.count().__next__)  # type: ignore[arg-type]
    heard: list[tuple[str, str]] = []
    cache.add_listener(lambda kind, item: heard.append((kind, item["metadata"]["uid"])))
    cache.start()
    assert script.all_told.wait(5.0)
    cache.stop()
    assert heard == [("ADDED", "first"), ("DELETED", "first"), ("ADDED", "second")]


def test_a_server_that_ends_every_watch_at_once_is_not_asked_in_a_circle(caplog: pytest.LogCaptureFixture) -> None:
    asked = threading.Semaphore(0)

    class Curt:
        def list_objects_with_version(self, *_: Any, **__: Any) -> tuple[list[Object], str]:
            return [], "1"

        def watch(self, *_: Any, **__: Any) -> Iterator[tuple[str, Object]]:
            asked.release()
            return iter(())

    cache = WatchCache(Curt(), CONFIG_MAPS, clock=lambda: 0.0)  # type: ignore[arg-type]
    cache.start()
    for _ in range(2):
        assert asked.acquire(timeout=5.0)
    cache.stop()
    cache._threads[0].join(5.0)
    assert "WatchClosed" in caplog.text


def test_a_watch_that_ended_in_due_time_and_told_nothing_was_heard_of() -> None:
    seconds = [0.0]
    asked = threading.Semaphore(0)
    stopped = threading.Event()

    class Quiet:
        def list_objects_with_version(self, *_: Any, **__: Any) -> tuple[list[Object], str]:
            return [], "1"

        def watch(self, *_: Any, **__: Any) -> Iterator[tuple[str, Object]]:
            if seconds[0]:
                asked.release()
                stopped.wait(5.0)
            seconds[0] += 240.0
            return iter(())

    cache = WatchCache(Quiet(), CONFIG_MAPS, clock=lambda: seconds[0])  # type: ignore[arg-type]
    cache.start()
    assert asked.acquire(timeout=5.0)
    assert cache.age_seconds() == 0.0
    cache.stop()
    stopped.set()
    cache._threads[0].join(5.0)


def test_a_broken_watch_goes_on() -> None:
    cache, _ = run(
        Script(
            ([], 1, [("ADDED", config_map("a", 2)), ApiError(0, "WatchBroken", "reset")]),
            ([config_map("a", 2)], 3, [("MODIFIED", config_map("a", 4))]),
        )
    )
    assert names(cache) == {"a": "4"}


def test_a_listener_that_fails_harms_neither_the_others_nor_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(([config_map("a", 1)], 1, [("MODIFIED", config_map("a", 2))]))
    cache = WatchCache(script, CONFIG_MAPS, clock=itertools.count().__next__)  # type: ignore[arg-type]
    heard: list[str] = []

    def fail(_: str, __: Object) -> None:
        raise ValueError("a listener's own mistake")

    cache.add_listener(fail)
    cache.add_listener(lambda kind, _: heard.append(kind))
    cache.start()
    assert script.all_told.wait(5.0)
    cache.stop()
    assert heard == ["ADDED", "MODIFIED"]
    assert "a listener's own mistake" in caplog.text


def test_an_object_that_cannot_be_read_freezes_nothing_and_stays_as_it_was_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def reduce(item: Object) -> Object:
        if int(item["metadata"]["resourceVersion"]) % 2:
            raise OverflowError("int too large to convert to float")
        return {"metadata": item["metadata"], "reduced": True}

    events: list[tuple[str, Object] | ApiError] = [
        ("MODIFIED", config_map("a", 13, "1")),
        ("ADDED", config_map("b", 15, "2")),
        ("MODIFIED", config_map("c", 16, "3")),
        ApiError(410, "Expired", "too old"),
    ]
    again = [config_map("a", 13, "1"), config_map("b", 15, "2"), config_map("c", 16, "3"), config_map("d", 19, "new")]
    script = Script(
        ([config_map("a", 2, "1"), config_map("c", 5, "3"), config_map("d", 8, "old")], 10, events),
        (again, 20, [("DELETED", config_map("a", 21, "1")), ("MODIFIED", config_map("b", 22, "2"))]),
    )
    cache = WatchCache(script, CONFIG_MAPS, clock=itertools.count().__next__, reduce=reduce)  # type: ignore[arg-type]
    heard: list[tuple[str, str]] = []
    cache.add_listener(lambda kind, item: heard.append((kind, item["metadata"]["name"])))
    cache.start()
    assert script.all_told.wait(5.0)
    cache.stop()
    expected = [("ADDED", "a"), ("ADDED", "d"), ("ADDED", "c")]
    assert heard == [*expected, ("DELETED", "d"), ("DELETED", "a"), ("ADDED", "b")]
    assert names(cache) == {"b": "22", "c": "16"}
    assert cache.unreadable == 1, "only the new d"
    said = [message for message in caplog.messages if "ns/b" in message]
    assert len(said) == 2, "once for each list"
    assert "int too large" in said[0]


def test_what_was_read_in_part_is_kept_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(([config_map("a", 1), config_map("b", 2)], 2, [("MODIFIED", config_map("b", 3))]))

    def reduce(item: Object) -> Object:
        return item | ({"unreadable": "its annotations"} if item["metadata"]["name"] == "b" else {})

    cache = WatchCache(script, CONFIG_MAPS, clock=itertools.count().__next__, reduce=reduce)  # type: ignore[arg-type]
    cache.start()
    assert script.all_told.wait(5.0)
    cache.stop()
    assert names(cache) == {"a": "1", "b": "3"}
    assert cache.unreadable == 1
    assert caplog.messages == ["configmaps ns/b cannot be read as a whole: its annotations"]


def test_listeners_hear_in_the_order_of_changes_whoever_brings_them() -> None:
    cache = WatchCache(Script(), CONFIG_MAPS, clock=lambda: 0.0)  # type: ignore[arg-type]
    heard: list[tuple[str, str]] = []
    writers: list[threading.Thread] = []

    def hear(kind: str, item: Object) -> None:
        if not writers:
            deletion = threading.Thread(target=cache._apply, args=("DELETED", ("ns", "a"), config_map("a", 8)))
            writers.append(deletion)
            deletion.start()
            deletion.join(0.2)
        heard.append((kind, item["metadata"]["resourceVersion"]))

    cache.add_listener(hear)
    cache.absorb(config_map("a", 7))
    writers[0].join(5.0)
    assert heard == [("ADDED", "7"), ("DELETED", "8")]


def test_a_snapshot_is_replaced_and_never_changed() -> None:
    cache, _ = run(Script(([config_map("a", 1)], 1, [])))
    before = cache.snapshot()
    assert cache.snapshot() is before
    cache.absorb(config_map("b", 2))
    assert set(before) == {("ns", "a")}
    assert names(cache) == {"a": "1", "b": "2"}


def test_what_a_writer_hands_over_is_told_at_once_and_not_again() -> None:
    cache, heard = run(Script(([config_map("a", 1)], 1, [])))
    cache.absorb(config_map("a", 7))
    cache.absorb(config_map("a", 7))
    cache.absorb(config_map("a", 3))
    assert names(cache) == {"a": "7"}
    assert heard == [("ADDED", "a"), ("MODIFIED", "a")]


def test_what_was_deleted_since_is_not_brought_back_by_its_writer() -> None:
    cache, _ = run(Script(([], 1, [("ADDED", config_map("a", 2)), ("DELETED", config_map("a", 3))])))
    cache.absorb(config_map("a", 2))
    assert names(cache) == {}
    cache.absorb(config_map("a", 4))
    assert names(cache) == {"a": "4"}, "made again after the deletion"


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=12))
def test_whatever_the_order_of_writers_and_watch_the_newest_version_stays(told: list[tuple[bool, int]]) -> None:
    cache = WatchCache(Script(), CONFIG_MAPS, clock=lambda: 0.0)  # type: ignore[arg-type]
    for by_writer, version in told:
        if by_writer:
            cache.absorb(config_map("a", version))
        else:
            cache._apply("MODIFIED", ("ns", "a"), config_map("a", version))
    assert names(cache) == ({"a": str(max(version for _, version in told))} if told else {})


class Places:
    """A server of several namespaces: what each lists first and later, and whether it may be read at all."""

    def __init__(self) -> None:
        self.lists = {"a": [["one", "two"], ["two"]], "b": [["three"]]}
        self.asked: list[str | None] = []
        self.is_b_open = threading.Event()
        self.told = {"a": threading.Event(), "b": threading.Event()}
        self.namespaces: dict[str, Object] = {"a": {"metadata": {}}, "b": {"metadata": {}}}

    def find(self, _: Any, name: str) -> Object | None:
        return self.namespaces.get(name)

    def list_objects_with_version(self, _: Any, namespace: str, *, reduce: Any, **__: Any) -> tuple[list[Object], str]:
        self.asked.append(namespace)
        if namespace == "b" and not self.is_b_open.is_set():
            raise ApiError(403, "Forbidden", "not yet")
        names = self.lists[namespace].pop(0)
        items = [config_map(name, 1) for name in names]
        for item in items:
            item["metadata"]["namespace"] = namespace
        return [reduce(item) for item in items], "5"

    def watch(self, _: Any, namespace: str, **__: Any) -> Iterator[tuple[str, Object]]:
        if self.lists[namespace]:
            raise ApiError(410, "Expired", "too old")
        self.told[namespace].set()
        yield from ()
        threading.Event().wait(0.05)


def test_of_several_namespaces_each_is_listed_by_itself_and_takes_nothing_from_the_others() -> None:
    server = Places()
    cache = WatchCache(server, CONFIG_MAPS, clock=itertools.count().__next__, namespaces=("a", "b"))  # type: ignore[arg-type]
    cache.start()
    assert not cache.wait_synced(0.3), "one is not listed yet"
    assert {name for _, name in cache.snapshot()} <= {"one", "two"}
    server.is_b_open.set()
    assert cache.wait_synced(10.0)
    assert all(told.wait(10.0) for told in server.told.values())
    cache.stop()
    assert sorted(cache.snapshot()) == [("a", "two"), ("b", "three")]
    assert set(server.asked) == {"a", "b"}


@pytest.mark.parametrize(
    "left", [None, {"metadata": {"deletionTimestamp": "2026-06-01T12:00:00Z"}}], ids=["gone", "going"]
)
def test_where_a_namespace_leaves_and_the_right_with_it_the_others_are_seen(
    left: Object | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("foretide_kube.cache._GONE_SECONDS", 0.01)
    server = Places()
    cache = WatchCache(server, CONFIG_MAPS, clock=itertools.count().__next__, namespaces=("a", "b"))  # type: ignore[arg-type]
    known = config_map("four", 1)
    known["metadata"]["namespace"] = "b"
    cache.absorb(known)
    cache.start()
    assert not cache.wait_synced(0.3), "while it is there a right is missing"
    server.namespaces = {"a": {"metadata": {}}} | ({} if left is None else {"b": left})
    assert cache.wait_synced(10.0)
    assert server.told["a"].wait(10.0)
    assert sorted(cache.snapshot()) == [("a", "two")]
    (watch,) = (each for each in cache._watches if each.namespace == "b")
    before, ends = watch.last_contact, time.monotonic() + 10.0
    while watch.last_contact == before and time.monotonic() < ends:
        time.sleep(0.01)
    assert watch.last_contact > before, "that nothing is there is known as of now"
    assert [each for each in caplog.messages if "gone or going" in each] == [
        "watch of configmaps: namespace b is gone or going"
    ]
    server.is_b_open.set()
    server.namespaces["b"] = {"metadata": {}}
    assert server.told["b"].wait(10.0), "it was made anew"
    cache.stop()
    assert sorted(cache.snapshot()) == [("a", "two"), ("b", "three")]


def test_nobody_is_asked_whether_a_namespace_is_there_that_lasts() -> None:
    class Unasked(Places):
        def find(self, _: Any, name: str) -> Object | None:
            raise AssertionError(name)

    server = Unasked()
    server.is_b_open.set()
    cache = WatchCache(server, CONFIG_MAPS, clock=lambda: 0.0, namespaces=("b",), lasting=True)  # type: ignore[arg-type]
    cache.start()
    assert cache.wait_synced(5.0)
    cache.stop()
    assert sorted(cache.snapshot()) == [("b", "three")]


def test_what_lies_in_no_namespace_is_watched_once_whatever_is_chosen() -> None:
    class OfCluster(Script):
        def list_objects_with_version(self, *asked: Any, **more: Any) -> tuple[list[Object], str]:
            assert asked[1] is None
            return super().list_objects_with_version(*asked, **more)

    script = OfCluster(([], 1, []))
    cache = WatchCache(script, NODES, clock=itertools.count().__next__, namespaces=("a", "b"))  # type: ignore[arg-type]
    cache.start()
    assert cache.wait_synced(5.0)
    cache.stop()
    assert len(cache._threads) == 1
