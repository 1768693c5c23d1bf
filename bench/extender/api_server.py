"""An API server of a fleet for benches: lists in pages and watches, and nothing else.

    python -m bench.extender.api_server --nodes 1000 --pods 200 [--events-per-second 20]

It stands in for kube-apiserver, which would take minutes to be filled with thousands of nodes. To the extender's
process it is the cluster that its kubeconfig names. The events are those of a task's life: bound, running, told of,
ended; for each that ends another comes, so that their number stays. It says its port on standard output and ends when
standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import msgspec
from aiohttp import web

from bench.extender.fleet import CLASSES, class_object, node_name, node_object, task_object, workload_object
from foretide_kube.client import Object

BOOKMARK_SECONDS: Final = 60.0
_REMEMBERED: Final = 10_000


class Collection:
    """The objects under one path, and their latest changes."""

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self._changes: deque[tuple[int, bytes]] = deque(maxlen=_REMEMBERED)
        self._forgotten = 0
        self._changed = asyncio.Event()

    def put(self, version: int, item: Object) -> None:
        """Take an object in, new or changed."""
        name = item["metadata"]["name"]
        body = msgspec.json.encode(item)
        self._tell(version, b"MODIFIED" if name in self.items else b"ADDED", body)
        self.items[name] = body

    def remove(self, version: int, item: Object) -> None:
        """Let an object go that was deleted, or is none of those that are watched any more."""
        del self.items[item["metadata"]["name"]]
        self._tell(version, b"DELETED", msgspec.json.encode(item))

    def after(self, version: int) -> list[tuple[int, bytes]] | None:
        """What changed since ``version``, each as a line of a watch; None where that is forgotten."""
        if version < self._forgotten:
            return None
        found = []
        for change in reversed(self._changes):
            if change[0] <= version:
                break
            found.append(change)
        return found[::-1]

    async def wait(self, seconds: float) -> None:
        """Return when something changes, at the latest after ``seconds``."""
        try:
            await asyncio.wait_for(self._changed.wait(), max(seconds, 0.0))
        except TimeoutError:
            return

    def _tell(self, version: int, kind: bytes, body: bytes) -> None:
        if len(self._changes) == _REMEMBERED:
            self._forgotten = self._changes[0][0]
        self._changes.append((version, b'{"type":"%s","object":%s}\n' % (kind, body)))
        self._changed.set()
        self._changed = asyncio.Event()


class Fleet:
    """The objects of a fleet, and the events of its tasks."""

    def __init__(self, nodes: int, pods: int) -> None:
        self._random = random.Random(7)
        self._nodes = nodes
        self._numbers = count()
        self._versions = count(100_000)
        self._bound: deque[tuple[str, str]] = deque()
        self.collections = {path: Collection() for path in ("nodes", "pods", "aiworkloads", "nodeclasses")}
        for index in range(nodes):
            self.collections["nodes"].put(self.version(), node_object(index))
        for name in CLASSES:
            self.collections["nodeclasses"].put(self.version(), class_object(name))
        self.collections["aiworkloads"].put(self.version(), workload_object())
        for _ in range(pods):
            self._bind()
            self._show("Running", self._bound[-1])
        self._steps = self._live()

    def version(self) -> int:
        """The next resource version."""
        return next(self._versions)

    def step(self) -> None:
        """Have one more event."""
        next(self._steps)

    def _live(self) -> Iterator[None]:
        while True:
            self._bind()
            yield
            self._show("Running", self._bound[-1])
            yield
            self._show("Running", self._bound[-1])
            yield
            self._end()
            yield

    def _bind(self) -> None:
        self._bound.append((f"running-{next(self._numbers):07d}", node_name(self._random.randrange(self._nodes))))
        self._show("Pending", self._bound[-1])

    def _show(self, phase: str, bound: tuple[str, str]) -> None:
        version = self.version()
        name, node = bound
        self.collections["pods"].put(version, task_object(name, node=node, version=version, phase=phase))

    def _end(self) -> None:
        version = self.version()
        name, node = self._bound.popleft()
        self.collections["pods"].remove(version, task_object(name, node=node, version=version, phase="Succeeded"))


class Api:
    """Answers for a fleet. Selectors are not looked at: all Pods that there are run."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def app(self) -> web.Application:
        """GET of any collection, with ``watch`` or without; one that is not the fleet's is empty."""
        app = web.Application()
        app.router.add_get("/{way:.*}/{plural}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        collection = self._fleet.collections.get(request.match_info["plural"]) or Collection()
        if request.query.get("watch") == "true":
            return await self._watch(request, collection)
        return self._list(request, collection)

    def _list(self, request: web.Request, collection: Collection) -> web.Response:
        """A page; where the next begins and of which version all are is in the token."""
        limit = int(request.query.get("limit", 0)) or len(collection.items)
        version, _, last = request.query.get("continue", f"{self._fleet.version()}/").partition("/")
        names = [name for name in sorted(collection.items) if name > last]
        metadata: dict[str, Any] = {"resourceVersion": version}
        if len(names) > limit:
            metadata["continue"] = f"{version}/{names[limit - 1]}"
        items = [msgspec.Raw(collection.items[name]) for name in names[:limit]]
        return web.Response(
            body=msgspec.json.encode({"metadata": metadata, "items": items}), content_type="application/json"
        )

    async def _watch(self, request: web.Request, collection: Collection) -> web.StreamResponse:
        end = time.monotonic() + float(request.query.get("timeoutSeconds", 240))
        version = int(request.query["resourceVersion"])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while (left := end - time.monotonic()) > 0.0:
            changes = collection.after(version)
            if changes is None:
                await response.write(_EXPIRED)
                break
            for changed, line in changes:
                await response.write(line)
                version = changed
            if not changes:
                began = time.monotonic()
                await collection.wait(min(left, BOOKMARK_SECONDS))
                if time.monotonic() - began >= BOOKMARK_SECONDS:
                    await response.write(_bookmark(version))
        await response.write_eof()
        return response


_EXPIRED: Final = (
    b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}}\n'
)


def _bookmark(version: int) -> bytes:
    return b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"%d"}}}\n' % version


async def serve(nodes: int, pods: int, events_per_second: float) -> None:
    """Serve until standard input ends."""
    fleet = Fleet(nodes, pods)
    runner = web.AppRunner(Api(fleet).app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    began = time.monotonic()
    for number in count(1) if events_per_second else ():
        await asyncio.sleep(max(began + number / events_per_second - time.monotonic(), 0.0))
        fleet.step()
        if ended.done():
            break
    await ended
    await runner.cleanup()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="An API server of a fleet for benches.")
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--pods", type=int, required=True, help="task Pods that run on the nodes")
    parser.add_argument("--events-per-second", type=float, default=0.0, help="events of Pods (0)")
    options = parser.parse_args(arguments)
    asyncio.run(serve(options.nodes, options.pods, options.events_per_second))


if __name__ == "__main__":
    main(sys.argv[1:])
