"""Write and read docker-archives (the `docker save` form), which `ctr images import` and `buildah pull` accept."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devcluster.binaries import checksum
from devcluster.releases import ARCHITECTURE

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write_from_files(target: Path, reference: str, files: Mapping[str, Path], entrypoint: Sequence[str]) -> None:
    """Write an image of a few programs; `files` maps a path in the image to a file here. Reproducible."""
    with tempfile.NamedTemporaryFile(suffix=".tar", dir=target.parent) as layer:
        with tarfile.open(fileobj=layer, mode="w") as tar:
            for inside, file in sorted(files.items()):
                entry = tarfile.TarInfo(inside.lstrip("/"))
                entry.size, entry.mode = file.stat().st_size, 0o755
                with file.open("rb") as content:
                    tar.addfile(entry, content)
        layer.flush()
        write_from_layer(target, reference, Path(layer.name), entrypoint=entrypoint, command=())


def write_from_layer(
    target: Path, reference: str, layer: Path, *, entrypoint: Sequence[str], command: Sequence[str]
) -> None:
    """Write an image of one layer, an uncompressed tar; `target` appears complete or not at all."""
    digest = checksum(layer)
    settings: dict[str, Any] = {"Env": [_PATH]}
    if entrypoint:
        settings["Entrypoint"] = list(entrypoint)
    if command:
        settings["Cmd"] = list(command)
    created = "1970-01-01T00:00:00Z"
    configuration = json.dumps(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "created": created,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": created, "created_by": "devcluster"}],
        }
    ).encode()
    configuration_name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    listing = [{"Config": configuration_name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]}]
    part = target.with_name(f".{target.name}.part")
    with tarfile.open(part, "w") as tar:
        for name, content in ((configuration_name, configuration), ("manifest.json", json.dumps(listing).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        entry = tarfile.TarInfo(f"{digest}/layer.tar")
        entry.size = layer.stat().st_size
        with layer.open("rb") as content_file:
            tar.addfile(entry, content_file)
    part.rename(target)
