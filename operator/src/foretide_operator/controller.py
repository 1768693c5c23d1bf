"""Looks at one key after the other: gather, decide, apply. One thread, so no two decisions see half-done work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, cast

from foretide.contention import Coefficients
from foretide.observation import DeviceFeatures
from foretide.prediction import Predictor
from foretide.profiling.turns import Spent
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import AIWORKLOADS, CONFIG_MAPS, DEPLOYMENTS, WORKLOAD_PROFILES
from foretide_operator import booking
from foretide_operator.actions import Action, Announce, Apply, Create, Patch, WriteStatus
from foretide_operator.apply import Refusal, apply_actions
from foretide_operator.attempts import REFUSED_DELAY_SECONDS
from foretide_operator.config_maps import owner_reference
from foretide_operator.forecasting import Knowledge
from foretide_operator.gather import Gatherer, is_alive
from foretide_operator.job_keys import probing_key
from foretide_operator.metrics import Metrics
from foretide_operator.model_keeper import ModelKeeper
from foretide_operator.nodeclass import discovery, probing
from foretide_operator.nodeclass import reconcile as nodeclass_reconcile
from foretide_operator.outcome import Failed
from foretide_operator.pacing import Pace
from foretide_operator.pairing import ledger as ledgers
from foretide_operator.pairing.pairer import Pairer
from foretide_operator.queue import Key, KeyedQueue
from foretide_operator.services import ledger as service_ledgers
from foretide_operator.services.pairer import ServicePairer
from foretide_operator.services.reader import Readings
from foretide_operator.settings import Settings
from foretide_operator.table_keeper import TableKeeper
from foretide_operator.throttle import Throttle
from foretide_operator.training.trainer import Trainer
from foretide_operator.workload import profiles as profile_statuses
from foretide_operator.workload import reconcile as workload_reconcile
from foretide_operator.world import World

log = logging.getLogger(__name__)

DEPLOYMENT_NAME: Final = "foretide-operator"

WORKLOADS: Final = Key("all-workloads")
NODE_CLASSES: Final = Key("node-classes")
MODEL: Final = Key("model")
PAIRING: Final = Key("pairing")
SERVICES: Final = Key("services")
TABLE: Final = Key("table")
ALL: Final = (NODE_CLASSES, TABLE, PAIRING, MODEL, WORKLOADS)


BOOKING_REST_SECONDS: Final = 5.0
"""What failed measurements took is stored so long after it changed, so that many are one write."""


def turn_of(node_class: str) -> Key:
    """The key for whose turn it is to be measured on a class."""
    return Key("turn", name=node_class)


class Controller:
    """Everything that the operator does, by key. ``wall`` gives the time of day, ``monotonic`` seconds that only grow.

    ``worked`` gives the seconds for which the thread that looks has computed. Not thread-safe but for the queue; `load`
    first, once the caches are filled.
    """

    def __init__(
        self,
        client: KubeClient,
        world: World,
        settings: Settings,
        *,
        queue: KeyedQueue,
        trainer: Trainer,
        metrics: Metrics,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float],
        worked: Callable[[], float],
    ) -> None:
        self._client = client
        self._world = world
        self._settings = settings
        self._queue = queue
        self._metrics = metrics
        self._wall = wall
        self._monotonic = monotonic
        self._gatherer = Gatherer(client, world, settings)
        self._observations = TableKeeper(client, world, settings, metrics, monotonic=monotonic)
        self._stored_bookings: booking.Bookings = {}
        self._owner: Object | None = None
        self._knowledge = Knowledge()
        self._knowledge_made_of: tuple[int, str, Coefficients, dict[str, DeviceFeatures]] | None = None
        self._refusals: dict[tuple[str, str], tuple[float, Failed]] = {}
        self._announced: tuple[str, ...] = ()
        self._pace = Pace(monotonic)
        self._sweeping = Throttle(monotonic, worked)
        self._modelling = Throttle(monotonic, worked)
        self._learning = Throttle(monotonic, worked)
        self._model = ModelKeeper(client, world, settings, trainer, metrics, monotonic=monotonic)
        self._knows_model = False
        self._pairer = Pairer(client, world, settings, metrics, monotonic=monotonic)
        self._services = ServicePairer(client, world, settings, metrics)

    @property
    def readings(self) -> Readings:
        """Where what services say of themselves is put, from any thread; then ask for `SERVICES`."""
        return self._services.readings

    def load(self) -> None:
        """Read what was stored: the training table, the ledger, the operator's own Deployment."""
        deployment = self._client.find(DEPLOYMENTS, DEPLOYMENT_NAME, self._settings.namespace)
        self._owner = owner_reference(deployment) if deployment is not None else None
        if deployment is None:
            log.warning(
                "no Deployment %s in %s: what is stored has no owner", DEPLOYMENT_NAME, self._settings.namespace
            )
        stored = list(self._world.config_maps.snapshot().values())
        self._observations.load(stored)
        by_name = {item["metadata"]["name"]: item for item in stored}
        self._pairer.load(ledgers.load(by_name.get(ledgers.NAME)))
        self._stored_bookings = booking.load(by_name.get(booking.NAME))
        self._gatherer.spending.load(self._stored_bookings)
        self._services.load(service_ledgers.load(by_name.get(service_ledgers.NAME)))

    def look(self, key: Key) -> None:
        """Look at ``key`` once. Raises what went wrong, to be tried again later."""
        match key.kind:
            case "workload":
                self._try_workload(key)
            case "all-workloads":
                self._look_at_all_workloads()
            case "turn":
                self._give_turn(key.name)
            case "node-classes":
                self._look_at_node_classes()
            case "node-class":
                self._look_at_node_class(key)
            case "model":
                self._look_at_model_again()
            case "pairing":
                self._look_at_ended_pods()
            case "services":
                self._look_at_services()
            case "table":
                self._look_at_profiles()
            case _:
                raise ValueError(f"nothing is known of the kind {key.kind}")

    def _try_workload(self, key: Key) -> None:
        """Look at a workload, which holds up no other where it cannot be looked at."""
        try:
            with self._sweeping.timed():
                self._look_at_workload(key)
        except Exception:
            self._gatherer.leave_line(key.namespace, key.name)
            raise

    def _look_at_workload(self, key: Key) -> None:
        if not self._knows_model:  # what a stored model is sure of must not be measured because nobody loaded it yet
            self._look_at_model()
        item = self._world.workloads.get(key.name, key.namespace)
        if item is None or not is_alive(item):
            self._pace.forget(key)
            return
        decision, is_written = self._act_on_workload(key, item)
        if is_written:
            self._pace.wrote(key)
        if decision.is_held_back:
            self._ask(key, self._pace.reserve(key))
        if decision.recheck_seconds is not None:
            self._ask(key, decision.recheck_seconds)
        self._gatherer.rejoin_line(key.namespace, key.name)
        for node_class in self._gatherer.changed_lines():
            self._ask(turn_of(node_class))

    def _act_on_workload(self, key: Key, item: Object) -> tuple[workload_reconcile.Decision, bool]:
        """Decide about a workload and do it; gives the last decision, and whether its status was written.

        Again for each Job or Deployment that is refused and once for refused changes, because the status has to say so,
        and once a measurement is stored, so that what follows from it is told with it, in one write.
        """
        now = self._wall()
        for _ in range(4 + len(self._gatherer.fleet().classes)):
            facts = self._gatherer.workload_facts(
                item,
                ledger=self._pairer.ledger,
                services=self._services.ledger,
                refusals=self._current_refusals(key.namespace),
                spent=self._spent(now),
                considered_time=self._model.considered_time,
                rest_seconds=self._pace.rest_seconds(key),
                now=now,
            )
            decision = workload_reconcile.decide(facts, self._current_knowledge().predict)
            actions = (*decision.actions, *profile_statuses.decide(facts, self._pairer.ledger))
            is_measured = any(isinstance(each, Create) and each.resource == WORKLOAD_PROFILES for each in actions)
            if is_measured:
                actions = tuple(each for each in actions if not isinstance(each, WriteStatus | Announce))
            refused = self._apply(actions, now)
            if not refused and not is_measured:
                break
        is_written = any(isinstance(each, WriteStatus) and each.resource == AIWORKLOADS for each in actions)
        return decision, is_written

    def _look_at_all_workloads(self) -> None:
        rest_seconds = self._sweeping.rest_seconds(len(self._world.workloads.snapshot()))
        if rest_seconds > 0.0:
            self._ask(WORKLOADS, rest_seconds)
            return
        self._sweeping.begin()
        keys = self._world.workloads.snapshot()
        self._queue.add_unhurried(Key("workload", namespace, name) for namespace, name in keys)

    def _give_turn(self, node_class: str) -> None:
        """Have the workload looked at that is to be measured next on a class."""
        found = self._gatherer.next_on(node_class, self._spent(self._wall()))
        if found is not None:
            self._ask(Key("workload", *found))

    def _look_at_node_classes(self) -> None:
        now = self._wall()
        nodes = self._world.nodes.snapshot().values()
        existing = {name for _, name in self._world.node_classes.snapshot()}
        found = discovery.decide(nodes, existing, self._announced)
        self._announced = found.unusable
        try:
            self._apply(found.actions, now)
            classes = self._gatherer.fleet().classes
            self._metrics.know_classes(classes)
            keys = {name: probing_key(members.node_class, self._settings) for name, members in classes.items()}
            self._apply(probing.abandoned(self._gatherer.probe_jobs(), keys), now)
        finally:
            for name in self._gatherer.fleet().classes:
                self._ask(Key("node-class", name=name))

    def _look_at_node_class(self, key: Key) -> None:
        now = self._wall()
        for _ in range(3):  # again where the probe Job, and where changes were refused: the status has to say so
            facts = self._gatherer.node_class_facts(
                key.name, owner=self._owner, refusals=self._current_refusals(self._settings.namespace), now=now
            )
            if facts is None:
                return
            decision = nodeclass_reconcile.decide(facts)
            refused = self._apply(decision.actions, now)
            if decision.recheck_seconds is not None:
                self._ask(key, decision.recheck_seconds)
            if not refused:
                return

    def _look_at_model_again(self) -> None:
        rest_seconds = self._modelling.rest_seconds(1)
        if rest_seconds > 0.0:
            self._ask(MODEL, rest_seconds)
        else:
            self._look_at_model()

    def _look_at_model(self) -> None:
        before = (self._model.version, self._model.considered_time, self._model.coefficients)
        self._modelling.begin()
        with self._modelling.timed():
            recheck_seconds = self._model.look(
                self._observations.table, self._gatherer.fleet().devices, self._owner, self._wall()
            )
        self._knows_model = True
        if (self._model.version, self._model.considered_time, self._model.coefficients) != before:
            self._ask(WORKLOADS)
        if recheck_seconds is not None:
            self._ask(MODEL, recheck_seconds)

    def _look_at_ended_pods(self) -> None:
        done = self._pairer.look(
            self._observations.table, self._gatherer.fleet(), self._model.coefficients, self._owner, self._wall()
        )
        for namespace, workload in done.workloads:
            self._ask(Key("workload", namespace, workload), 0.5)
        self._tell_of_table()
        if done.recheck_seconds is not None:
            self._ask(PAIRING, done.recheck_seconds)
        if done.refused is not None:
            raise done.refused

    def _look_at_services(self) -> None:
        for namespace, workload in self._services.look(self._gatherer.fleet(), self._owner, self._wall()):
            self._ask(Key("workload", namespace, workload), 0.5)

    def _look_at_profiles(self) -> None:
        self._observations.read_profiles()
        self._tell_of_table()
        try:
            self._store_bookings()
        finally:
            rest_seconds = self._observations.store(self._owner, self._wall())
            if rest_seconds is not None:
                self._ask(TABLE, rest_seconds)

    def _spent(self, now: datetime) -> Spent:
        spent = self._gatherer.spent(self._observations.table, now)
        if self._gatherer.spending.bookings is not self._stored_bookings:
            self._ask(TABLE, BOOKING_REST_SECONDS)
        return spent

    def _store_bookings(self) -> None:
        bookings = self._gatherer.spending.bookings
        if bookings is self._stored_bookings:
            return
        self._apply(
            [Apply(CONFIG_MAPS, booking.to_config_map(bookings, self._settings.namespace, self._owner))], self._wall()
        )
        self._stored_bookings = bookings

    def _tell_of_table(self) -> None:
        """Have model and workloads looked at if the table changed since they were last told of it."""
        if self._observations.has_news():
            self._ask(MODEL)
            self._ask(WORKLOADS, 1.0)

    def _apply(self, actions: Iterable[Action], now: datetime) -> tuple[Refusal, ...]:
        """Carry out ``actions`` but for changes to what was refused of late, and remember what is refused now."""
        asked = (a for a in actions if not (isinstance(a, Patch) and (a.namespace, a.name) in self._refusals))
        refused = apply_actions(asked, self._client, self._world, own_namespace=self._settings.namespace, now=now)
        until_seconds = self._monotonic() + REFUSED_DELAY_SECONDS - 1.0
        for each in refused:
            self._refusals[each.namespace, each.name] = (until_seconds, Failed(each.reason, each.message))
        return refused

    def _current_knowledge(self) -> Knowledge:
        devices = self._gatherer.fleet().devices
        coefficients = self._model.coefficients
        made_of = (self._observations.table.revision, self._model.version, coefficients, devices)
        is_more_than_rows = self._knowledge_made_of is None or made_of[1:] != self._knowledge_made_of[1:]
        if made_of != self._knowledge_made_of and (is_more_than_rows or self._learning.rest_seconds(1) <= 0.0):
            predictor = cast("Predictor | None", self._model.predictor)  # arrays are as good as the sequences it names
            self._learning.begin()
            with self._learning.timed():
                self._knowledge = Knowledge.of(
                    self._observations.table.rows, devices, predictor, self._model.version, coefficients
                )
            self._knowledge_made_of = made_of
        return self._knowledge

    def _current_refusals(self, namespace: str) -> dict[str, Failed]:
        """What was refused of late in a namespace, by name; another may have objects of the same names."""
        now_seconds = self._monotonic()
        self._refusals = {key: entry for key, entry in self._refusals.items() if entry[0] > now_seconds}
        return {name: failed for (where, name), (_, failed) in self._refusals.items() if where == namespace}

    def _ask(self, key: Key, delay_seconds: float = 0.0) -> None:
        self._queue.add(key, self._monotonic() + delay_seconds)
