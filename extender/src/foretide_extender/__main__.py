"""Starts the extender: ``python -m foretide_extender``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time

from foretide_extender.access import Access
from foretide_extender.certificates import CertificateError, Certificates
from foretide_extender.explain_route import ExplainRoute
from foretide_extender.metrics import Metrics
from foretide_extender.observing import listen_to_observers, observe_app
from foretide_extender.server import Answerer, NoState, listen_to_scheduler, scheduler_routes
from foretide_extender.settings import SettingError, Settings
from foretide_extender.state import ClusterState, Snapshot
from foretide_extender.watching import Watches
from foretide_kube.client import KubeClient
from foretide_kube.connecting import NoWayError, connect

log = logging.getLogger("foretide_extender")

_SWITCH_INTERVAL_SECONDS = 0.0005
_LOOK_AHEAD_SECONDS = 0.1


async def serve(settings: Settings, client: KubeClient) -> None:
    """Answer until SIGTERM or SIGINT; CertificateError for files that cannot be used, OSError for a taken address."""
    certificates = None if settings.tls is None else Certificates(settings.tls)
    metrics, state = Metrics(), ClusterState()
    watches = Watches(client, state, settings.watch_namespaces, clock=time.monotonic)
    metrics.show_watch_ages(watches.resources, watches.age_seconds)

    def snapshot() -> Snapshot:
        if watches.waiting_for():
            raise NoState
        return state.snapshot()

    answerer = Answerer(
        snapshot,
        metrics,
        deadline_seconds=settings.decision_deadline_seconds,
        now_seconds=time.time,
        clock_seconds=time.perf_counter,
        is_stale=watches.is_stale,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    watches.start()
    scheduler, observe = settings.scheduler_address, settings.observe_address
    routes = scheduler_routes(answerer, metrics, max_body_bytes=settings.max_body_bytes)
    server = await listen_to_scheduler(
        routes, metrics, scheduler, max_body_bytes=settings.max_body_bytes, certificates=certificates
    )
    app = observe_app(metrics, waiting_for=watches.waiting_for, stuck=watches.stuck)
    access = Access(client, settings.watch_namespaces, clock=time.monotonic)
    route = ExplainRoute(access, answerer.records, snapshot=answerer.look, now_seconds=time.time, clock=time.monotonic)
    app.router.add_get("/explain", route.answer)
    runner = await listen_to_observers(app, observe)
    log.info("listening on %s:%d, metrics on %s:%d", scheduler.host, scheduler.port, observe.host, observe.port)
    is_settled = False
    while not stopped.is_set():
        answerer.look_ahead()
        if not is_settled and not watches.waiting_for():
            is_settled = True
            _settle()
        if certificates is not None:
            certificates.look()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _LOOK_AHEAD_SECONDS)
    watches.stop()
    server.close()
    await runner.cleanup()


def _settle() -> None:
    """Have what is there now never again looked through for garbage, which takes long: it stays for the most part."""
    gc.collect()
    gc.freeze()


def main() -> int:
    """Run; the exit status is 2 for a bad setting or no way to the API server, 1 where the process could not start."""
    try:
        settings = Settings.read(os.environ)
    except SettingError as error:
        print(f"foretide-extender: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        client = connect()
    except NoWayError as error:
        print(f"foretide-extender: {error}", file=sys.stderr)
        return 2
    # Watch threads give way to the thread that answers within half a millisecond.
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    _settle()
    try:
        asyncio.run(serve(settings, client))
    except CertificateError as error:
        print(f"foretide-extender: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"foretide-extender: cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
