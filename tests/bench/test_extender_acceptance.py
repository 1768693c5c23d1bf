"""Which replies of an extender count: those that kube-scheduler takes, and that keep no node back in silence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bench.extender.acceptance import Asked, Refused, Verb, check, loosely_read, passed, scores

NODES = [{"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4"}}} for name in ("a", "b")]
NAMES_ASKED = Asked(["a", "b"], None)
NODES_ASKED = Asked(["a", "b"], NODES)


def result(**fields: Any) -> bytes:
    none: dict[str, Any] = {"NodeNames": None, "Nodes": None, "FailedNodes": {}, "FailedAndUnresolvableNodes": {}}
    return msgspec.json.encode(none | {"Error": ""} | fields)


def test_a_request_is_read_in_both_forms() -> None:
    assert Asked.of(b'{"Pod":{},"Nodes":null,"NodeNames":["a","b"]}') == NAMES_ASKED
    body = msgspec.json.encode({"Pod": {}, "Nodes": {"metadata": {}, "items": NODES}, "NodeNames": None})
    assert Asked.of(body) == NODES_ASKED


def test_nodes_pass_or_fail_with_their_reason_in_the_form_asked() -> None:
    assert passed(NAMES_ASKED, result(NodeNames=["b", "a"])).names == ["b", "a"]
    some = passed(NAMES_ASKED, result(NodeNames=["a"], FailedAndUnresolvableNodes={"b": "too slow"}))
    assert (some.names, some.failed) == (["a"], {"b": "too slow"})
    assert passed(NODES_ASKED, result(Nodes={"metadata": {}, "items": NODES})).names == ["a", "b"]
    assert scores(NAMES_ASKED, b'[{"Host":"b","Score":10},{"Host":"a","Score":0}]') == {"a": 0, "b": 10}


@pytest.mark.parametrize(
    ("asked", "reply", "why"),
    [
        (NAMES_ASKED, b"", "not what is expected"),
        (NAMES_ASKED, b"[]", "not what is expected"),
        (NAMES_ASKED, b"{}", "every node is rejected"),
        (NAMES_ASKED, result(NodeNames=["a", "b"], Error="busy"), "the attempt to place the Pod fails"),
        (NAMES_ASKED, result(NodeNames=["a", "b", "c"]), "'c' was not asked for"),
        (NAMES_ASKED, result(NodeNames=["a", "b", "b"]), "'b' was not asked for, or is there more than once"),
        (NAMES_ASKED, result(NodeNames=["a"]), "'b' is missing and no reason is given"),
        (NAMES_ASKED, result(NodeNames=["a"], FailedNodes={"b": "no"}), "a preemption that cannot help"),
        (NAMES_ASKED, result(NodeNames=["a"], FailedAndUnresolvableNodes={"b": ""}), "failed without a reason"),
        (NAMES_ASKED, result(NodeNames=["a", "b"], FailedAndUnresolvableNodes={"b": "no"}), "'b' was not asked for"),
        (NAMES_ASKED, result(NodeNames=["a", "b"], FailedAndUnresolvableNodes={"c": "no"}), "'c' failed"),
        (NAMES_ASKED, result(NodeNames=["a", "b"], Nodes={"items": []}), "Nodes is there"),
        (NODES_ASKED, result(NodeNames=["a", "b"]), "every node is rejected"),
        (NODES_ASKED, result(Nodes={"items": NODES}, NodeNames=["a", "b"]), "NodeNames is there"),
        (NODES_ASKED, result(Nodes={"items": [NODES[0], {"metadata": {"name": "b"}}]}), "'b' came back changed"),
        (NODES_ASKED, result(Nodes={"items": [{}]}), "has no name"),
    ],
)
def test_a_reply_to_filter_that_helps_nobody_is_refused(asked: Asked, reply: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        check("filter", asked, 200, reply)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"null", "not what is expected"),
        (b'[{"Host":"a","Score":NaN},{"Host":"b","Score":1}]', "not what is expected"),
        (b'[{"Host":"a","Score":9.0},{"Host":"b","Score":1}]', "not what is expected"),
        (b'[{"Host":"a","Score":11},{"Host":"b","Score":1}]', "is 11, not from 0 to 10"),
        (b'[{"Host":"a","Score":-1},{"Host":"b","Score":1}]', "is -1, not from 0 to 10"),
        (b'[{"Host":"a","Score":1}]', "'b' is missing"),
        (b'[{"Host":"a","Score":1},{"Host":"c","Score":1},{"Host":"b","Score":1}]', "'c' was not asked for"),
        (b'[{"Host":"a","Score":1},{"Host":"a","Score":1},{"Host":"b","Score":1}]', "more than once"),
    ],
)
def test_a_reply_to_prioritize_that_the_scheduler_drops_or_miscounts_is_refused(reply: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        check("prioritize", NAMES_ASKED, 200, reply)


def test_what_go_would_read_all_the_same_is_no_fault() -> None:
    node = b'{"metadata":{"name":"a"},"size":' + b"9" * 5000 + b"}"
    sent = {"metadata": {"name": "a"}, "size": float("inf")}
    reply = b'{"NodeNames":null,"Nodes":{"items":[' + node + b"]}}"
    assert passed(Asked(["a"], [sent]), reply).names == ["a"]
    odd = "\ufffd"
    assert passed(Asked([odd], None), result(NodeNames=[odd]).replace(odd.encode(), b"\xed")).names == [odd]
    assert scores(Asked(["\ud800"], None), b'[{"Host":"\\ud800","Score":1}]') == {"\ud800": 1}


@pytest.mark.parametrize("verb", ["filter", "prioritize"])
def test_only_status_200_is_an_answer(verb: Verb) -> None:
    with pytest.raises(Refused, match="status 500"):
        check(verb, NAMES_ASKED, 500, b"broken")


def test_what_a_reply_is_about_is_read_as_the_reply_is() -> None:
    item = b'{"metadata":{"name":"a"},"spec":1' + b"0" * 400 + b"}"
    reply = b'{"NodeNames":null,"Nodes":{"items":[' + item + b']},"FailedNodes":{},"FailedAndUnresolvableNodes":{}}'
    nodes = loosely_read(reply)["Nodes"]["items"]
    assert passed(Asked(["a"], nodes), reply).names == ["a"]
