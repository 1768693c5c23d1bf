"""Which images there are and how each comes to be."""

from __future__ import annotations

from pathlib import Path

from devcluster import binaries
from devcluster.errors import ImageBuildFailed
from devcluster.images import archive as archives
from devcluster.locks import held
from devcluster.nodeconfig import SANDBOX_IMAGE
from devcluster.paths import cache
from devcluster.progress import Progress


def archive(image: str | Path, progress: Progress) -> Path:
    """Return the archive of a named image, made when the cache has none, or of a file as it is."""
    if isinstance(image, Path):
        return image
    program = {"pause": ("pause", SANDBOX_IMAGE)}.get(image)
    if program is None:
        raise ImageBuildFailed(f"{image}: not in the catalogue")
    name, reference = program
    path = binaries.ensure([name], progress)[name]
    target = cache() / "images" / f"{image}-{binaries.checksum(path)[:16]}.tar"
    with held(cache() / "locks" / f"image-{image}", lambda: progress(f"{image}: another process builds it; waiting")):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            archives.write_from_files(target, reference, {f"/{name}": path}, [f"/{name}"])
    return target
