"""A run: faults are drawn and inflicted, several at a time, while users are at work; then all heals and is judged."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final

from devcluster import DevclusterError
from foretide_kube.client import ApiError
from tests.chaos.arena import Arena, NotInflictedError
from tests.chaos.drawing import draw
from tests.chaos.hands import Hands
from tests.chaos.kinds import Fault, Kind
from tests.chaos.looking import Looking
from tests.chaos.verdict import CHECKS, done_though_given_up, judge, tasks_done
from tests.chaos.witness import Witness

AT_ONCE: Final = 3
"""So many faults there are at most at the same time."""
HEAL_SECONDS: Final = 900.0
"""So long after the last fault everything must be right."""
STEADY_SECONDS: Final = 20.0
"""So long it has to stay right."""

_LOOK_SECONDS: Final = 3.0
_TOLD_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Inflicted:
    """A fault and what came of it; ``failure`` is why there was nothing to be hurt."""

    fault: Fault
    seconds: float
    told: str = ""
    failure: str = ""


@dataclass
class Outcome:
    """What a run came to."""

    seed: int
    inflicted: list[Inflicted] = field(default_factory=list)
    tasks: int = 0
    runs: int = 0
    evicted: int = 0
    given_up: int = 0
    actions: Mapping[str, int] = field(default_factory=dict)
    wrong: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fault_seconds: float = 0.0
    heal_seconds: float = 0.0

    @property
    def by_kind(self) -> dict[str, int]:
        """How many faults of each kind were inflicted."""
        return dict(sorted(Counter(each.fault.kind.name for each in self.inflicted if not each.failure).items()))

    @property
    def faults(self) -> int:
        """How many faults were inflicted."""
        return sum(self.by_kind.values())

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.wrong.values())


@dataclass
class Settling:
    """Since when nothing has been wrong, in seconds of the monotonic clock; None while something is.

    What is done twice, or taken away again, may be so only after a moment at which all is right: it has to stay so.
    """

    since: float | None = None

    def look(self, now: float, *, is_sound: bool) -> bool:
        """Whether all has been right for `STEADY_SECONDS`, at every look since."""
        if not is_sound:
            self.since = None
        elif self.since is None:
            self.since = now
        return self.since is not None and now - self.since >= STEADY_SECONDS


def run(
    arena: Arena, model: bytes, *, kinds: Sequence[Kind], faults: int, seed: int, say: Callable[[str], None]
) -> Outcome:
    """Inflict so many faults, heal, and judge."""
    witness = Witness()
    hands = Hands(arena, witness, model, random.Random(seed + 1))
    outcome = Outcome(seed)
    with witness.watching(arena.client), ThreadPoolExecutor(1, thread_name_prefix="hands") as pool:
        hands.begin()
        work = pool.submit(hands.work)
        begin = time.monotonic()
        try:
            _inflict_all(arena, draw(kinds, seed), faults, outcome, say)
        finally:
            hands.rest()
        work.result()
        outcome.fault_seconds = time.monotonic() - begin
        say(f"{outcome.faults} faults in {outcome.fault_seconds:.0f} s; now all has to heal")
        _heal(arena, Looking(arena, witness, hands), hands, outcome, say)
        outcome.evicted, outcome.actions = len(hands.evicted), hands.actions
    return outcome


def _inflict_all(
    arena: Arena, drawn: Iterable[Fault], faults: int, outcome: Outcome, say: Callable[[str], None]
) -> None:
    """Inflict faults in the order drawn, each as soon as nothing that it would hit is hurt already."""
    begin = time.monotonic()
    running: dict[Future[Inflicted], Fault] = {}

    def collect(*, at_least_one: bool) -> None:
        done, _ = wait(running, timeout=None if at_least_one else 0, return_when=FIRST_COMPLETED)
        for future in done:
            del running[future]
            result = future.result()
            outcome.inflicted.append(result)
            number = "-" if result.failure else str(outcome.faults)
            how = f"nothing there: {result.failure}" if result.failure else f"{result.told}, {result.seconds:.1f} s"
            target = result.fault.target if result.fault.target not in result.fault.kind.name else ""
            say(f"{number:>4}/{faults} {time.monotonic() - begin:5.0f} s  {result.fault.kind.name} {target}: {how}")

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fault") as pool:
        for fault in drawn:
            time.sleep(fault.gap_seconds)
            while len(running) >= AT_ONCE or any(fault.holds & other.holds for other in running.values()):
                collect(at_least_one=True)
            collect(at_least_one=False)
            while running and outcome.faults + len(running) >= faults:
                collect(at_least_one=True)
            if outcome.faults >= faults:
                break
            _revive(arena, frozenset[str]().union(*(other.holds for other in running.values())))
            running[pool.submit(_inflict, arena, fault)] = fault


def _revive(arena: Arena, held: frozenset[str]) -> None:
    """Be the init system of the nodes that no fault holds: kubelet ends where containerd is away as it starts."""
    for node in arena.cluster.nodes:
        if node.name not in held:
            node.revive()


def _inflict(arena: Arena, fault: Fault) -> Inflicted:
    begin = time.monotonic()
    try:
        with fault.kind.inflict(arena, fault) as told:
            time.sleep(fault.seconds)
    except NotInflictedError as error:
        return Inflicted(fault, time.monotonic() - begin, failure=str(error))
    failure = "" if told else "no request met it"
    return Inflicted(fault, time.monotonic() - begin, told="; ".join(told), failure=failure)


def _heal(arena: Arena, looking: Looking, hands: Hands, outcome: Outcome, say: Callable[[str], None]) -> None:
    """Wait until nothing is wrong any more and stays so, or for as long as that may take."""
    begin = told = time.monotonic()
    settling = Settling()
    while True:
        _revive(arena, frozenset())
        hands.unstick()
        try:
            facts = looking.look()
            outcome.wrong, outcome.tasks, outcome.runs = judge(facts), tasks_done(facts), len(facts.jobs)
            outcome.given_up = done_though_given_up(facts)
        except (ApiError, DevclusterError, OSError, ValueError) as error:
            outcome.wrong = {**dict.fromkeys(CHECKS, ()), "restarting": (f"cannot be asked: {error}",)}
        now = time.monotonic()
        settled = settling.look(now, is_sound=outcome.is_sound)
        outcome.heal_seconds = (now if settling.since is None else settling.since) - begin
        if settled or (settling.since is None and outcome.heal_seconds > HEAL_SECONDS):
            return
        if not outcome.is_sound and time.monotonic() - told > _TOLD_SECONDS:
            told = time.monotonic()
            first = [lines[0] for lines in outcome.wrong.values() if lines]
            number = sum(map(len, outcome.wrong.values()))
            say(f"{outcome.heal_seconds:5.0f} s: {number} not right yet: {'; '.join(first)}")
        time.sleep(_LOOK_SECONDS)
