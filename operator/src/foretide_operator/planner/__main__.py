"""Starts the planner: ``python -m foretide_operator.planner``."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from datetime import UTC, datetime

from foretide_kube.client import KubeClient
from foretide_kube.connecting import NoWayError, connect
from foretide_operator.http import StatusServer
from foretide_operator.planner.dispatcher import Dispatcher
from foretide_operator.planner.garbage import collect_seldom
from foretide_operator.planner.health import Health
from foretide_operator.planner.leadership import Elector
from foretide_operator.planner.metrics import Metrics
from foretide_operator.planner.recorder import Recorder
from foretide_operator.planner.settings import SettingError, Settings
from foretide_operator.planner.watching import View


def run(settings: Settings, client: KubeClient, stopped: threading.Event) -> None:
    """Plan until ``stopped`` is set; OSError if the port is taken."""
    metrics = Metrics()
    view = View(client, settings.watch_namespaces, clock=time.monotonic)
    elector = Elector(
        client,
        settings.namespace,
        f"{socket.gethostname()}-{settings.pod_uid or uuid.uuid4().hex[:8]}",
        clock=time.monotonic,
        now=lambda: datetime.now(UTC),
        is_well=lambda: health().is_fit_to_lead(),
    )
    dispatcher = Dispatcher(
        client,
        view,
        metrics,
        namespace=settings.namespace,
        order=settings.order,
        is_leader=lambda: elector.is_leader,
        clock=time.monotonic,
        now_seconds=time.time,
    )
    recorder = Recorder(
        client,
        view,
        metrics,
        is_leader=lambda: elector.is_leader,
        clock=time.monotonic,
        now_seconds=time.time,
        pull_bytes_per_second=dispatcher.pull_bytes_per_second,
    )
    view.on_pod(recorder.heard)
    view.on_pod(dispatcher.heard)
    view.on_change(dispatcher.wake)
    view.on_class(metrics.know_class)
    metrics.show(is_leader=lambda: elector.is_leader, pending=recorder.pending)
    metrics.show_watches(view.resources, age_seconds=view.age_seconds, unreadable=view.unreadable)

    def health() -> Health:
        ages_seconds = {resource: view.age_seconds(resource) for resource in view.resources}
        return Health(view.is_synced(), dispatcher.silent_seconds(), recorder.silent_seconds(), ages_seconds)

    def unready() -> str:
        missing = view.waiting_for()
        return f"not listed yet: {', '.join(missing)}" if missing else ""

    server = StatusServer(metrics.registry, alive=lambda: health().problem(), ready=unready, port=settings.port)
    server.start()
    view.start()
    recorder.start()
    dispatcher.start()

    def begin() -> None:
        recorder.look_again()
        dispatcher.wake()

    elector.start(on_gain=begin)
    stopped.wait()
    dispatcher.stop()
    recorder.stop()
    elector.stop()
    view.stop()
    server.stop()


def main() -> int:
    """Run until SIGTERM or SIGINT; 2 if environment or kubeconfig cannot be used, 1 where the port is taken."""
    try:
        settings = Settings.read(os.environ)
        client = connect()
    except (SettingError, NoWayError) as error:
        print(f"foretide-planner: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    collect_seldom()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopped.set())
    try:
        run(settings, client, stopped)
    except OSError as error:
        print(f"foretide-planner: cannot listen on port {settings.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
