"""Kubeconfig files with everything inside, so that they can be copied."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml


def write(path: Path, server: str, authority: Path, token: str, name: str) -> None:
    """Write a kubeconfig that only its owner can read; `name` is the context's."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
                },
            }
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
