"""`python -m foretide_operator`: the operator's process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import kopf
from prometheus_client import disable_created_metrics

from foretide_kube.connecting import NoWayError, connect
from foretide_operator.http import PORT
from foretide_operator.process import Operator
from foretide_operator.settings import Settings, SettingsError, read_settings
from foretide_operator.shell import register


def main(*, port: int = PORT) -> int:
    """Run until stopped; 2 if environment or kubeconfig cannot be used."""
    try:
        settings = read_settings(os.environ)
        client = connect()
    except (SettingsError, NoWayError) as error:
        sys.stderr.write(f"foretide-operator: {error}\n")
        return 2
    _configure_logging(settings)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use to Prometheus
    operator = Operator(client, settings, port=port)
    operator.open_port()
    operator.guard_gates()
    _run_until_told(operator, settings.watch_namespaces)
    return 0


def _run_until_told(operator: Operator, namespaces: tuple[str, ...]) -> None:
    """Run kopf in a thread of its own, and end it on the first signal; what ends it by itself is raised.

    It hears of what lies in ``namespaces``, or in all if there are none.

    In the main thread kopf would take the signals, and log a traceback for each that comes while it is ending.
    """
    told: SimpleQueue[None] = SimpleQueue()  # of all queues the one that a signal handler may put into
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.put(None))
    loop, stop_flag = asyncio.new_event_loop(), asyncio.Event()

    def work() -> None:
        if operator.wait_for_kinds():
            register(operator)
            kopf.run(loop=loop, standalone=True, clusterwide=not namespaces, namespaces=namespaces, stop_flag=stop_flag)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="kopf") as pool:
        working = pool.submit(work)
        working.add_done_callback(lambda _: told.put(None))
        told.get()
        operator.stop()
        # A start under way leaves requests behind, which end with their connections: nobody is to act on that.
        loop.call_soon_threadsafe(loop.set_exception_handler, lambda _loop, _context: None)
        loop.call_soon_threadsafe(stop_flag.set)
        working.result()
    loop.close()


def _configure_logging(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for name in ("kopf", "urllib3", "kubernetes"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    # What it warns of is meant so: signals are not its own, and a stop may come while it starts.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
