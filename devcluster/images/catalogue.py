"""Which images there are, how each comes to be, and where its archive lies."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from devcluster import binaries, versions
from devcluster.errors import ImageBuildError
from devcluster.images import archive as archives
from devcluster.images import bases, buildah, dockerfile, settings
from devcluster.images.bases import Base
from devcluster.locks import held
from devcluster.nodeconfig import SANDBOX_IMAGE
from devcluster.paths import REPOSITORY, cache
from devcluster.progress import Progress

_KEPT = 2


@dataclass(frozen=True)
class ProgramImage:
    """An image of one static program and nothing else; its reference may name the version of Kubernetes."""

    name: str
    reference: str
    program: str
    inside: str


@dataclass(frozen=True)
class BuiltImage:
    """An image built from a Dockerfile of a repository; `argument` has the base passed as `BASE`."""

    name: str
    reference: str
    dockerfile: str
    base: Base
    argument: bool = False
    root: Path = REPOSITORY


Image = ProgramImage | BuiltImage

CATALOGUE: dict[str, Image] = {
    image.name: image
    for image in (
        ProgramImage("pause", SANDBOX_IMAGE, "pause", "/pause"),
        ProgramImage(
            "kube-scheduler",
            "registry.k8s.io/kube-scheduler:v{kubernetes}",
            "kube-scheduler",
            "/usr/local/bin/kube-scheduler",
        ),
        BuiltImage("operator", "docker.io/foretide/operator:dev", "operator/Dockerfile", bases.PYTHON),
        BuiltImage("extender", "docker.io/foretide/extender:dev", "extender/Dockerfile", bases.PYTHON),
        BuiltImage(
            "profiler-onnx", "docker.io/foretide/profiler:dev-onnx", "profiler-job/Dockerfile.onnx", bases.PYTHON
        ),
        BuiltImage(
            "profiler-torch",
            "docker.io/foretide/profiler:dev-torch",
            "profiler-job/Dockerfile.torch",
            bases.TORCH,
            argument=True,
        ),
    )
}


def archive(image: str | Path | Image, progress: Progress, version: str | None = None) -> Path:
    """Return the archive of an image, made when the cache has none; a path is an archive already.

    Programs of Kubernetes are of `version`, or of the one that is chosen for all clusters.

    Raises `ImageBuildError` for a name that is not in the catalogue and for a build that fails.
    """
    if isinstance(image, Path):
        if not image.is_file():
            raise ImageBuildError(f"{image}: no such archive")
        return image
    if isinstance(image, str):
        if image not in CATALOGUE:
            raise ImageBuildError(f"{image}: not an image of the catalogue: {', '.join(CATALOGUE)}")
        image = CATALOGUE[image]
    if isinstance(image, ProgramImage):
        return _program(image, progress, version or versions.chosen())
    return _built(image, progress)


def _program(image: ProgramImage, progress: Progress, version: str) -> Path:
    program = binaries.ensure([image.program], progress, version)[image.program]
    reference = image.reference.format(kubernetes=version)
    target = _target(image, hashlib.sha256(f"{image} {program.parent.name}".encode()).hexdigest())
    with _held("programs", image, progress):
        if not target.exists():
            archives.write_from_files(target, reference, {image.inside: program}, [image.inside])
            _forget_old(target)
    return target


def _built(image: BuiltImage, progress: Progress) -> Path:
    if not (image.root / image.dockerfile).is_file():
        raise ImageBuildError(f"{image.name}: there is no {image.dockerfile}")
    base = bases.ensure(image.base, progress)
    target = _target(image, _digest(image, image.root, base))
    if target.exists():
        return target
    with _held("builds", image, progress), tempfile.TemporaryDirectory(prefix="foretide-context-") as scratch:
        context = Path(scratch)
        for relative in [Path(image.dockerfile), *_context_files(image, image.root)]:
            (context / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(image.root / relative, context / relative)
        # Files may have changed while this waited: what is copied now names the archive.
        target = _target(image, _digest(image, context, base))
        if not target.exists():
            begin = time.monotonic()
            progress(f"image {image.name}: building {image.dockerfile}")
            _build(image, context, target)
            _forget_old(target)
            progress(f"image {image.name}: {target.stat().st_size >> 20} MiB in {time.monotonic() - begin:.0f} s")
    return target


def _build(image: BuiltImage, context: Path, target: Path) -> None:
    buildah.build(
        image.reference,
        dockerfile=context / image.dockerfile,
        context=context,
        arguments={"BASE": image.base.reference} if image.argument else {},
        pip=settings.detect(),
        log=cache() / "logs" / f"image-{image.name}.log",
    )
    buildah.save(image.reference, target)
    buildah.prune()


def _context_files(image: BuiltImage, root: Path) -> list[Path]:
    return dockerfile.files(root, dockerfile.sources((root / image.dockerfile).read_text(encoding="utf-8")))


def _digest(image: BuiltImage, root: Path, base: str) -> str:
    """Digest all that decides an image: its base, its Dockerfile and the files that this copies."""
    digest = hashlib.sha256(f"{image.reference} {base}".encode())
    for relative in [Path(image.dockerfile), *_context_files(image, root)]:
        content = root / relative
        executable = content.stat().st_mode & 0o111 != 0
        digest.update(f"\0{relative}\0{executable}\0".encode() + content.read_bytes())
    return digest.hexdigest()


def _target(image: Image, digest: str) -> Path:
    directory = cache() / "images" / image.name
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{image.name}-{digest[:16]}.tar"


def _held(kind: str, image: Image, progress: Progress) -> AbstractContextManager[None]:
    return held(
        cache() / "locks" / f"image-{kind}", lambda: progress(f"image {image.name}: another process builds; waiting")
    )


def _forget_old(newest: Path) -> None:
    """Remove all but the latest archives of an image, and what a killed process left half written."""
    for broken in newest.parent.glob(".*.part"):
        broken.unlink()
    archives_by_age = sorted(newest.parent.glob("*.tar"), key=lambda file: file.stat().st_mtime)
    for old in archives_by_age[:-_KEPT]:
        old.unlink()
