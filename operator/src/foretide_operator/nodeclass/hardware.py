"""What a node says of its hardware."""

from __future__ import annotations

import hashlib

import msgspec

from foretide_kube.client import Object


def fingerprint(node: Object) -> str:
    """A digest of what a node says of its hardware and kernel."""
    status = node.get("status", {})
    info = status.get("nodeInfo", {})
    told = [
        status.get("allocatable", {}).get("cpu", ""),
        info.get("architecture", ""),
        info.get("machineID", ""),
        info.get("kernelVersion", ""),
    ]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]
