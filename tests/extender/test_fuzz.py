"""A few thousand mutated bodies, and that what is wrong with an answer would be found. `make fuzz` is the long run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.extender.acceptance import Asked, Verb
from foretide_extender import server
from tests.extender.fuzz import in_process, over_socket
from tests.extender.fuzz.cases import Case, Cases
from tests.extender.fuzz.faults import Fault, fault_of
from tests.extender.fuzz.running import run, smallest

SEED = 20261126


async def test_whatever_is_sent_kube_scheduler_gets_an_answer_that_it_takes() -> None:
    async with in_process.in_process() as asking:
        assert await run(asking, Cases(SEED, in_process.KNOWN), range(3000)) == {}


async def test_so_it_does_from_the_extenders_own_process(tmp_path: Path) -> None:
    with over_socket.over_socket(tmp_path) as asking:
        assert await run(asking, Cases(SEED, over_socket.KNOWN), range(300)) == {}
        assert asking.errors() == 0


def test_a_case_follows_from_seed_and_number_alone() -> None:
    cases = Cases(SEED, in_process.KNOWN)
    several = [cases[number] for number in range(200)]
    assert several == [cases[number] for number in reversed(range(200))][::-1]
    assert len({case.body for case in several}) == len(several)
    assert {case.body for case in several}.isdisjoint(Cases(SEED + 1, in_process.KNOWN)[n].body for n in range(200))


def test_sound_cases_are_requests_and_most_broken_ones_are_not_all_refused() -> None:
    cases = Cases(SEED, in_process.KNOWN)
    sound = [case for case in map(cases.__getitem__, range(300)) if case.is_sound]
    forms = {Asked.of(case.body).nodes is None for case in sound}
    assert forms == {True, False}
    assert all(len(set(names)) == len(names) for names in (Asked.of(case.body).names for case in sound))


def case(verb: Verb, *, workload: str = "", is_sound: bool = True) -> Case:
    pod = {"metadata": {"name": "p", "labels": {"foretide.dev/workload": workload}}}
    body = msgspec.json.encode({"Pod": pod, "Nodes": None, "NodeNames": ["a", "b"]})
    return Case(0, verb, body if is_sound else body[:-5], is_sound)


def passed(names: list[str], **failed: str) -> bytes:
    return msgspec.json.encode({"NodeNames": names, "Nodes": None, "FailedAndUnresolvableNodes": failed})


SCORES = b'[{"Host":"a","Score":%d},{"Host":"b","Score":4}]'


@pytest.mark.parametrize(
    ("asked", "status", "reply"),
    [
        (case("filter"), 200, passed(["a", "b"])),
        (case("filter", workload="w"), 200, passed(["a"], b="too slow")),
        (case("filter", is_sound=False), 200, passed(["a"], b="too slow")),
        (case("filter", is_sound=False), 400, b"NotJson: cut off"),
        (case("prioritize"), 200, SCORES % 4),
        (case("prioritize", workload="w"), 200, SCORES % 9),
    ],
)
def test_an_answer_that_helps_is_no_fault(asked: Case, status: int, reply: bytes) -> None:
    assert fault_of(asked, status, reply) is None


@pytest.mark.parametrize(
    ("asked", "status", "reply", "kind"),
    [
        (case("filter"), 400, b"NotJson: no", "sound request refused"),
        (case("filter", is_sound=False), 400, b"Traceback", "unknown reason"),
        (case("filter", is_sound=False), 500, b"Traceback", "reply refused"),
        (case("filter", is_sound=False), 200, b'{"Nodes":null', "reply refused"),
        (case("filter", is_sound=False), 200, passed([], b=""), "reply refused"),
        (case("filter"), 200, passed(["a"]), "reply refused"),
        (case("filter"), 200, passed(["a"], b="not ours"), "reply refused"),
        (case("filter", workload="w"), 200, passed([], a="too slow", b="too slow"), "reply refused"),
        (case("prioritize"), 200, SCORES % 5, "reply refused"),
        (case("prioritize", workload="w"), 200, SCORES % 11, "reply refused"),
    ],
)
def test_an_answer_that_does_harm_is_a_fault(asked: Case, status: int, reply: bytes, kind: str) -> None:
    found = fault_of(asked, status, reply)
    assert found is not None
    assert found.kind.startswith(kind)


@pytest.mark.parametrize("name", ["decode", "decide_filter"])
async def test_an_exception_is_a_fault_even_where_it_is_answered_open(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def broken(*_: object) -> object:
        return 1 / 0

    asked = next(each for each in map(Cases(SEED, in_process.KNOWN).__getitem__, range(99)) if is_a_task(each))
    asked = dataclasses.replace(asked, number=0)  # of a cluster that is known
    monkeypatch.setattr(server, name, broken)
    async with in_process.in_process() as asking:
        found = await asking.fault(asked)
    assert found is not None
    assert found.kind == "ZeroDivisionError in test_fuzz.py, broken"
    assert "Traceback" in found.detail


def is_a_task(asked: Case) -> bool:
    if not asked.is_sound or asked.verb != "filter":
        return False
    labels = msgspec.json.decode(asked.body)["Pod"]["metadata"].get("labels") or {}
    return labels.get("foretide.dev/workload") == "resnet" and labels.get("foretide.dev/role") == "run"


class Broken:
    """Fails where a body holds an x and, behind it, a y."""

    async def fault(self, asked: Case) -> Fault | None:
        before, _, behind = asked.body.partition(b"x")
        return Fault("crash", "x before y") if len(before) < len(asked.body) and b"y" in behind else None


async def test_what_shows_a_fault_is_made_as_small_as_it_gets() -> None:
    asked = dataclasses.replace(case("filter"), body=b"abc" * 50 + b"x" + b"def" * 70 + b"y" + b"g" * 9)
    assert await smallest(Broken(), asked, Fault("crash", "")) == b"xy"


async def test_faults_are_told_by_kind_with_their_first_case() -> None:
    class Listed:
        def __getitem__(self, number: int) -> Case:
            return dataclasses.replace(case("filter"), number=number, body=b"x%dy" % number if number % 3 == 1 else b"")

    told: list[str] = []
    cases: Any = Listed()
    found = await run(Broken(), cases, range(9), told.append)
    assert {kind: (each.case.number, each.count, each.smallest) for kind, each in found.items()} == {
        "crash": (1, 3, b"xy")
    }
    assert "next is 9" in told[-1]
