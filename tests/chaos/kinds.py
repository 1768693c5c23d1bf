"""The kinds of faults, as values: what each may hit, for how long, how it is inflicted and ended.

`inflict` of a kind is a context: entered the fault is there, left it is over. It raises `NotInflictedError` where
nothing was there to be hurt; what it yields says what was done, and may be changed by the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from devcluster import DevclusterError
from devcluster.nodeconfig import manifest
from foretide_kube.client import ApiError
from foretide_kube.names import NODES
from tests.chaos.api_faults import API_FAULTS, ApiFault
from tests.chaos.arena import SYSTEM_NODE, Arena, NotInflictedError
from tests.chaos.clocks import CLOCKED
from tests.faults.parts import PARTS

NODE_NAMES: Final = (SYSTEM_NODE, "edge-fast-1", "edge-slow-1", "edge-slow-2")
CONTROL_PLANE: Final = {
    "ApiServer": "kube-apiserver",
    "ControllerManager": "kube-controller-manager",
    "ClusterScheduler": "kube-scheduler",
}
_LEAST_JUMP_SECONDS: Final = 20.0
_JUMP_DECADES: Final = 3.0
"""Clocks jump by 20 s to 20,000 s."""
_ALL_PARTS: Final = frozenset(PARTS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it was drawn: what it hits, for how long, and ``size``, from 0 to 1, where that means anything."""

    kind: Kind
    target: str
    seconds: float
    size: float
    gap_seconds: float
    """How long to wait before it."""

    @property
    def holds(self) -> frozenset[str]:
        """What no other fault may hit meanwhile."""
        return self.kind.holds(self.target)


Inflict = Callable[[Arena, Fault], AbstractContextManager[list[str]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault; ``seconds`` are the shortest and the longest that it lasts."""

    name: str
    targets: tuple[str, ...]
    seconds: tuple[float, float]
    inflict: Inflict
    holds: Callable[[str], frozenset[str]] = lambda target: frozenset({target})


@contextmanager
def _kill_part(arena: Arena, fault: Fault) -> Iterator[list[str]]:
    with _there_to_be_hurt():
        arena.parts.kill(fault.target)
    yield ["killed"]


@contextmanager
def _freeze_part(arena: Arena, fault: Fault) -> Iterator[list[str]]:
    with ExitStack() as stack:
        with _there_to_be_hurt():
            stack.enter_context(arena.parts.hung(fault.target))
        yield ["frozen"]


@contextmanager
def _without_component(arena: Arena, fault: Fault) -> Iterator[list[str]]:
    with arena.cluster.without(fault.target):
        yield ["killed, then started again"]


@contextmanager
def _freeze_component(arena: Arena, fault: Fault) -> Iterator[list[str]]:
    with arena.cluster.frozen(fault.target):
        yield ["frozen"]


def _without_node_part(part: str) -> Inflict:
    @contextmanager
    def inflict(arena: Arena, fault: Fault) -> Iterator[list[str]]:
        node = arena.cluster.node(fault.target)
        node.revive()
        with node.without(part):
            yield [f"{part} killed, then started again"]

    return inflict


def _freeze_node_part(part: str) -> Inflict:
    @contextmanager
    def inflict(arena: Arena, fault: Fault) -> Iterator[list[str]]:
        node = arena.cluster.node(fault.target)
        node.revive()
        with node.frozen(part):
            yield [f"{part} frozen"]

    return inflict


@contextmanager
def _cut_power(arena: Arena, fault: Fault) -> Iterator[list[str]]:
    node = arena.cluster.node(fault.target)
    node.power_cut()
    try:
        yield ["power cut, then on again"]
    finally:
        node.power_on()


@contextmanager
def _remove_node(arena: Arena, fault: Fault) -> Iterator[list[str]]:
    """Its power is cut and its Node deleted, so that its Pods are; then it joins again."""
    node = arena.cluster.node(fault.target)
    node.power_cut()
    try:
        arena.until_done(lambda: arena.client.delete(NODES, fault.target))
        yield ["power cut and Node deleted, then joined again"]
    finally:
        arena.until_done(lambda: arena.create_if_absent(NODES, manifest(node.place.node)))
        node.power_on()


def _spoil_api(api_fault: ApiFault) -> Inflict:
    @contextmanager
    def inflict(arena: Arena, _fault: Fault) -> Iterator[list[str]]:
        told = [API_FAULTS[api_fault]]
        arena.proxy.begin(api_fault)
        try:
            yield told
        finally:
            hits = arena.proxy.end(api_fault)
            told[:] = [f"{hits} hit: {API_FAULTS[api_fault]}"]
            if not hits:
                told.clear()

    return inflict


def _move_clock(direction: int) -> Inflict:
    @contextmanager
    def inflict(arena: Arena, fault: Fault) -> Iterator[list[str]]:
        jump_seconds = direction * round(_LEAST_JUMP_SECONDS * 10 ** (_JUMP_DECADES * fault.size))
        with ExitStack() as stack:
            with _there_to_be_hurt():
                stack.enter_context(arena.clocks.moved(fault.target, jump_seconds))
            yield [f"its clock moved by {jump_seconds} s, then back"]

    return inflict


@contextmanager
def _there_to_be_hurt() -> Iterator[None]:
    """What is not there, or cannot be found, is not hurt."""
    try:
        yield
    except (ApiError, DevclusterError, OSError, ValueError) as error:
        raise NotInflictedError(str(error).partition("\n")[0] or type(error).__name__) from error


def _node(target: str) -> frozenset[str]:
    return frozenset({target})


def _node_and_all_on_it(target: str) -> frozenset[str]:
    return frozenset({target}) | (_ALL_PARTS if target == SYSTEM_NODE else frozenset())


def _kinds() -> Iterator[Kind]:
    for part in PARTS:
        yield Kind(f"{part.capitalize()}Killed", (part,), (0.0, 0.0), _kill_part)
        yield Kind(f"{part.capitalize()}Frozen", (part,), (4.0, 25.0), _freeze_part)
    for name, component in CONTROL_PLANE.items():
        yield Kind(f"{name}Killed", (component,), (0.5, 12.0), _without_component)
        yield Kind(f"{name}Frozen", (component,), (3.0, 15.0), _freeze_component)
    for part in ("kubelet", "containerd"):
        yield Kind(f"{part.capitalize()}Killed", NODE_NAMES, (1.0, 15.0), _without_node_part(part), _node)
        yield Kind(f"{part.capitalize()}Frozen", NODE_NAMES, (4.0, 25.0), _freeze_node_part(part), _node)
    yield Kind("NodePowerCut", NODE_NAMES, (2.0, 20.0), _cut_power, _node_and_all_on_it)
    yield Kind("NodeLost", NODE_NAMES, (45.0, 60.0), _cut_power, _node_and_all_on_it)
    yield Kind("NodeRemoved", NODE_NAMES, (5.0, 70.0), _remove_node, _node_and_all_on_it)
    for api_fault in API_FAULTS:
        yield Kind(f"Api{api_fault}", (f"proxy/{api_fault}",), (5.0, 20.0), _spoil_api(api_fault))
    yield Kind("ClockForward", CLOCKED, (8.0, 25.0), _move_clock(1))
    yield Kind("ClockBack", CLOCKED, (8.0, 25.0), _move_clock(-1))


KINDS: Final[tuple[Kind, ...]] = tuple(_kinds())


def short(kinds: Sequence[Kind], longest_seconds: float) -> tuple[Kind, ...]:
    """Those that never last longer."""
    return tuple(kind for kind in kinds if kind.seconds[1] <= longest_seconds)
