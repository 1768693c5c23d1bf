"""`python -m foretide_operator`: the operator's process."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import kopf
from prometheus_client import disable_created_metrics

from foretide_kube.client import KubeClient
from foretide_operator.process import Operator
from foretide_operator.settings import Settings, SettingsError, read_settings
from foretide_operator.shell import register


def main() -> int:
    """Run until stopped; 2 if the environment cannot be used."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"foretide-operator: {error}\n")
        return 2
    _configure_logging(settings)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use to Prometheus
    operator = Operator(KubeClient.connect(), settings)
    operator.open_port()
    if not _wait_for_kinds(operator):
        return 0
    register(operator)
    kopf.run(standalone=True, clusterwide=True)
    return 0


def _wait_for_kinds(operator: Operator) -> bool:
    """Wait for our kinds, a signal ends it; kopf takes the signals over when it runs."""
    previous = {
        number: signal.signal(number, lambda *_: threading.Thread(target=operator.stop).start())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    there = operator.wait_for_kinds()
    for number, handler in previous.items():
        signal.signal(number, handler)
    return there


def _configure_logging(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for name in ("kopf", "urllib3", "kubernetes"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))


if __name__ == "__main__":
    sys.exit(main())
