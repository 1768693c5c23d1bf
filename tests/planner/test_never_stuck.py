"""Whatever happens between planner and API server: each gate is opened once, and none is kept for ever."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planner.planner_values import gated_object
from tests.planner.test_dispatcher import Planning, refusing

STEPS = st.sampled_from(
    [
        "add",
        "add unseen",
        "see",
        "bind",
        "bind unseen",
        "end",
        "delete",
        "others open",
        "refuse",
        "away",
        "heal",
        "lead",
    ]
)
BOUND_SECONDS = 60.0


class World:
    """A planner, a cluster, and somebody who interferes."""

    def __init__(self) -> None:
        self.planning = Planning()
        self.cluster = self.planning.cluster
        self.opened_by_others: set[str] = set()
        self.made = 0

    def names(self, *, are_gated: bool) -> list[str]:
        items = self.cluster.objects.items()
        return [
            name
            for name, item in items
            if bool(item["spec"].get("schedulingGates")) is are_gated and item["status"]["phase"] == "Pending"
        ]

    def open_by_others(self, name: str) -> None:
        self.opened_by_others.add(name)
        self.cluster.change(name, lambda item: item["spec"].update(schedulingGates=[]), is_told=False)

    def bind(self, name: str, *, is_told: bool) -> None:
        self.cluster.change(name, lambda item: item["spec"].update(nodeName="fast-1"), is_told=is_told)

    def see(self) -> None:
        for name in list(self.cluster.objects):
            self.cluster.tell(name)

    def step(self, what: str, pick: int) -> None:
        gated = self.names(are_gated=True)
        unbound = [name for name in self.names(are_gated=False) if "nodeName" not in self.cluster.objects[name]["spec"]]
        running = [name for name in self.names(are_gated=False) if name not in unbound]
        match what:
            case "add" | "add unseen":
                self.made += 1
                item = gated_object(f"t{self.made}", age_seconds=-self.planning.seconds)
                self.cluster.put(item, is_told=what == "add")
            case "see":
                self.see()
            case "bind" | "bind unseen" if unbound:
                self.bind(unbound[pick % len(unbound)], is_told=what == "bind")
            case "end" if running:
                self.planning.end(running[pick % len(running)])
            case "delete" if self.cluster.known.keys() & self.cluster.objects.keys():
                known = sorted(self.cluster.known.keys() & self.cluster.objects.keys())
                self.cluster.delete(known[pick % len(known)])
            case "others open" if gated:
                self.open_by_others(gated[pick % len(gated)])
            case "refuse" if gated:
                self.cluster.refuse = refusing(403, "Forbidden", gated[pick % len(gated)])
            case _:
                self.interfere(what)

    def interfere(self, what: str) -> None:
        match what:
            case "away":
                self.cluster.refuse = refusing(0, "NotReached")
            case "heal":
                self.cluster.refuse = lambda _name: None
            case "lead":
                self.planning.leads = not self.planning.leads


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(STEPS, st.integers(0, 7), st.sampled_from([0.1, 1.0, 6.0])), max_size=40))
def test_each_gate_is_opened_once_and_none_is_kept_for_ever(drawn: list[tuple[str, int, float]]) -> None:
    world = World()
    planning = world.planning
    for what, pick, seconds in drawn:
        world.step(what, pick)
        planning.go(seconds)
    planning.leads = True
    world.cluster.refuse = lambda _name: None
    for _ in range(int(3 * BOUND_SECONDS)):
        world.see()
        planning.go(1.0)
        if not world.names(are_gated=True):
            break
    assert world.names(are_gated=True) == []
    assert all(count == 1 for count in Counter(planning.opened()).values())
    assert not world.opened_by_others & set(planning.opened())
    assert planning.counted("foretide_planner_plan_errors_total") == 0.0


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_slot_is_never_given_twice_while_the_scheduler_does_its_part(tasks: int, are_slow: list[bool]) -> None:
    world = World()
    planning = world.planning
    planning.add(*[f"t{index}" for index in range(tasks)], age_seconds=0.0)
    for turn in range(200):
        planning.go(0.5)
        there = world.names(are_gated=False)
        assert len(there) <= 2, "the node has room for two"
        for name in there:
            if "nodeName" not in world.cluster.objects[name]["spec"]:
                world.bind(name, is_told=True)
            elif turn % (3 if are_slow[int(name[1:])] else 2) == 0:
                planning.end(name)
        if not world.names(are_gated=True):
            return
    raise AssertionError("not all were opened")


def test_the_interference_is_real() -> None:
    world = World()
    planning = world.planning
    planning.add("a")
    world.open_by_others("a")
    refused: list[str] = []
    planning.cluster.refuse = refused.append
    planning.go()
    assert set(refused) == {"a"}, "the planner tried, and the version kept it off"
    assert planning.opened() == []
