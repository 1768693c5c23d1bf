"""Tell as JSON what a container sees of its node: its CPU share, its CPUs, its memory limit and one variable."""

from __future__ import annotations

import http.server
import json
import os
import sys
from pathlib import Path

V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
V2 = Path("/sys/fs/cgroup/cpu.max")


def seen() -> dict[str, object]:
    if V1.exists():
        quota, period = (int(V1.with_name(name).read_text()) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    else:
        quota, period = (int(word) for word in V2.read_text().split())
    return {"share": quota / period, "cpus": len(os.sched_getaffinity(0)), "isa": os.environ.get("ONEDNN_MAX_CPU_ISA")}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(seen()).encode())


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        http.server.HTTPServer(("", 8000), Handler).serve_forever()
    print(json.dumps(seen()))
