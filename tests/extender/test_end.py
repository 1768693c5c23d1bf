"""The extender's process ends when it is told to, whatever it waits for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.extender.real_objects import eventually, fetch, free_port

ASKING = b"GET /explain?namespace=team&pod=task HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.token.%d\r\n\r\n"
CALLERS = 24
ENDS_WITHIN_SECONDS = 10.0
"""No longer than kube-scheduler beside it, and far less than its callers would wait for the API server one by one."""


def kubeconfig(directory: Path, port: int) -> Path:
    named = {
        "clusters": [{"name": "silent", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "silent", "context": {"cluster": "silent", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
        "current-context": "silent",
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(named))
    return path


def test_it_ends_at_once_while_the_api_server_is_silent_and_many_wait_for_it(tmp_path: Path) -> None:
    observe = free_port()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent, (tmp_path / "log").open("wb") as log:
        environment = os.environ | {
            "KUBECONFIG": str(kubeconfig(tmp_path, silent.getsockname()[1])),
            "PYTHONSAFEPATH": "1",
            "FORETIDE_SCHEDULER_LISTEN": f"127.0.0.1:{free_port()}",
            "FORETIDE_OBSERVE_LISTEN": f"127.0.0.1:{observe}",
        }
        process = subprocess.Popen([sys.executable, "-m", "foretide_extender"], env=environment, stdout=log, stderr=log)
        callers = []
        try:
            eventually(lambda: fetch(observe, "/healthz")[0] == 200, "alive")
            for number in range(CALLERS):
                callers.append(socket.create_connection(("127.0.0.1", observe)))
                callers[-1].sendall(ASKING % number)
            assert fetch(observe, "/healthz")[0] == 200
            process.terminate()
            assert process.wait(ENDS_WITHIN_SECONDS) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()
            process.wait()
            for caller in callers:
                caller.close()
