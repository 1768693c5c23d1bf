"""The kopf side: it runs the process and its signals, and watches our own kinds as a reason to look at them.

What a look reads comes from `foretide_operator.world`, and looks go through one queue: kopf's handlers only name the
object that changed. docs/operator.md says why.
"""

from __future__ import annotations

import asyncio
import logging

import kopf

from foretide_kube.client import PAGE_SIZE
from foretide_kube.names import AIWORKLOADS, COMPLETION_TIME_MODELS, GROUP, NODE_CLASSES, VERSION
from foretide_operator import controller
from foretide_operator.process import Operator
from foretide_operator.queue import Key

WATCH_SECONDS = 240
IDLE_SECONDS = 0.1
"""How long kopf keeps an object after its last event."""


def register(operator: Operator) -> None:
    """Register the handlers with kopf's own registry; none returns a value, and none writes to an object."""

    @kopf.on.startup()
    async def start(settings: kopf.OperatorSettings, **_: object) -> None:
        configure(settings)
        await asyncio.to_thread(operator.start)

    @kopf.on.cleanup()
    async def stop(**_: object) -> None:
        await asyncio.to_thread(operator.stop)

    @kopf.on.event(GROUP, VERSION, AIWORKLOADS.plural)
    async def workload_changed(namespace: str | None, name: str | None, **_: object) -> None:
        operator.ask(Key("workload", namespace or "", name or ""))

    @kopf.on.event(GROUP, VERSION, NODE_CLASSES.plural)
    async def node_class_changed(**_: object) -> None:
        operator.ask(controller.NODE_CLASSES)

    @kopf.on.event(GROUP, VERSION, COMPLETION_TIME_MODELS.plural)
    async def model_changed(**_: object) -> None:
        operator.ask(controller.MODEL)


def configure(settings: kopf.OperatorSettings) -> None:
    """Keep kopf to what it is used for: no finalizers, no peering, no scanning, nothing that blocks an uninstall."""
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.level = logging.WARNING
    settings.persistence.finalizer = f"{GROUP}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    # Handlers need no more than a name: what kopf keeps of thousands of objects at a start shall not stay.
    settings.watching.chunk_size = PAGE_SIZE
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + 15
    settings.networking.request_timeout = 15
