"""Load images once into a containerd root kept in the cache, then give every node its own by links instead of copies.

A snapshot of an image layer is never written again (overlayfs writes to the upper directory only), so each node's
root holds a symbolic link to it; content is hard-linked, and containerd's two small databases are copied. Six nodes
with 2 GB of images so cost no more than one, in time and in space.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from devcluster import processes
from devcluster.binaries import CONTAINERD_VERSION, checksum, search_path
from devcluster.command import run
from devcluster.errors import CommandError, StartError
from devcluster.locks import held
from devcluster.paths import RUNS, cache
from devcluster.progress import Progress

_SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs"
_RECORD = "images.json"
_KEPT = 3
_OWNER = "_template"


def ensure(archives: Sequence[Path], programs: Mapping[str, Path], progress: Progress) -> Path:
    """Return a containerd root that holds the images of `archives`, made now if the cache has none."""
    wanted = {_identity(archive): archive for archive in archives}
    digest = hashlib.sha256(" ".join([CONTAINERD_VERSION, *sorted(wanted)]).encode())
    directory = cache() / "templates" / digest.hexdigest()[:16]
    if not directory.exists():
        with held(RUNS / ".locks" / "templates", lambda: progress("images: another process is loading some; waiting")):
            if not directory.exists():
                _clear_remains(directory.parent)
                _make(directory, wanted, programs, progress)
                _prune(directory.parent, directory)
    os.utime(directory)
    return directory


def clone(template: Path, root: Path) -> None:
    """Make a node's containerd root from the template; the template must stay for as long as the node lives."""
    for directory, names, files in os.walk(template):
        here = root / Path(directory).relative_to(template)
        here.mkdir(parents=True, exist_ok=True)
        if Path(directory) == template / _SNAPSHOTS / "snapshots":
            for name in names:
                (here / name).symlink_to(Path(directory) / name)
            names.clear()
        for name in files:
            source = Path(directory) / name
            if name.endswith(".db"):
                shutil.copy2(source, here / name)
            else:
                os.link(source, here / name)


def nearest(wanted: Collection[str], held_by: Mapping[Path, Collection[str]]) -> Path | None:
    """Return the template from which the fewest images are left to load; None where none is of use.

    A template with an image that is not wanted in any version does not qualify: its nodes would have it too.
    """
    names = {_name(identity) for identity in wanted}
    usable = [path for path, has in held_by.items() if {_name(identity) for identity in has} <= names]
    return max(usable, key=lambda path: len(set(wanted) & set(held_by[path])), default=None)


def _identity(archive: Path) -> str:
    """Return NAME-DIGEST of an archive: the file name of one that the catalogue made, else by its content."""
    return archive.stem if archive.is_relative_to(cache()) else f"{archive.stem}-{checksum(archive)[:16]}"


def _name(identity: str) -> str:
    return identity.rpartition("-")[0]


def _held(template: Path) -> list[str]:
    try:
        found: list[str] = json.loads((template / _RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return []
    return found


def _copy(template: Path, target: Path) -> None:
    """Copy a template by hard links, but for its databases, which will change."""
    run(["cp", "-al", f"{template}/.", target])
    for database in target.glob("*/*.db"):
        scratch = database.with_suffix(".copy")
        shutil.copy2(database, scratch)
        scratch.rename(database)


def _clear_remains(directory: Path) -> None:
    """Remove what a process left that was killed while it made a template; the caller holds the lock."""
    _stop("")
    for broken in [*directory.glob(".making-*"), *RUNS.glob(".template-*")]:
        shutil.rmtree(broken, ignore_errors=True)


def _make(directory: Path, wanted: Mapping[str, Path], programs: Mapping[str, Path], progress: Progress) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    run_directory = Path(tempfile.mkdtemp(prefix=".template-", dir=_runs()))
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=directory.parent))
    component = making.name
    try:
        templates = {entry: _held(entry) for entry in directory.parent.iterdir() if entry.name[0] != "."}
        near = nearest(list(wanted), {path: has for path, has in templates.items() if has})
        if near:
            _copy(near, making)
        socket = run_directory / "containerd.sock"
        configuration = run_directory / "containerd.toml"
        configuration.write_text(_configuration(making, run_directory, socket))
        processes.spawn(
            ["unshare", "--mount", "--propagation", "private", programs["containerd"], "--config", configuration],
            cluster=_OWNER,
            component=component,
            log=run_directory / "log",
            environment={"PATH": search_path([programs["containerd"]])},
        )
        _wait_for(socket, run_directory / "log")
        control: list[str | Path] = [programs["ctr"], "--address", socket, "--namespace", "k8s.io", "images", "import"]
        for identity in wanted.keys() - set(_held(making)):
            archive = wanted[identity]
            begin = time.monotonic()
            run([*control, "--local", "--discard-unpacked-layers", archive])
            progress(f"images: loaded {archive.name} in {time.monotonic() - begin:.1f} s")
        _stop(component)
        for leftover in making.glob("*/ingest/*"):
            shutil.rmtree(leftover)
        (making / _RECORD).unlink(missing_ok=True)
        (making / _RECORD).write_text(json.dumps(sorted(wanted)))
        making.chmod(0o711)
        making.rename(directory)
    except CommandError as error:
        raise StartError(f"images: cannot be loaded\n{error}\n{processes.tail(run_directory / 'log')}") from error
    finally:
        _stop(component)
        shutil.rmtree(run_directory, ignore_errors=True)
        shutil.rmtree(making, ignore_errors=True)


def _configuration(root: Path, run_directory: Path, socket: Path) -> str:
    disabled = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri"]
    return f"""version = 3
root = "{root}"
state = "{run_directory / "state"}"
disabled_plugins = {disabled!r}
[grpc]
address = "{socket}"
[debug]
level = "warn"
"""


def _runs() -> Path:
    RUNS.mkdir(mode=0o711, parents=True, exist_ok=True)
    return RUNS


def _wait_for(socket: Path, log: Path) -> None:
    end = time.monotonic() + 30
    while not socket.exists():
        if time.monotonic() > end:
            raise StartError(f"containerd: no socket after 30 s\n{processes.tail(log)}")
        time.sleep(0.05)


def _stop(component: str) -> None:
    def gone() -> bool:
        left = processes.find(_OWNER, component)
        processes.kill(left)
        return not left

    processes.exhaust(gone, timeout_seconds=10)


def _prune(directory: Path, newest: Path) -> None:
    """Remove all but the latest templates that no cluster's nodes link to."""
    used = {
        os.path.realpath(link)
        for link in (cache() / "clusters").glob(f"*/nodes/*/containerd/{_SNAPSHOTS}/snapshots/*")
        if link.is_symlink()
    }
    templates = sorted(
        (entry for entry in directory.iterdir() if entry.is_dir()), key=lambda entry: entry.stat().st_mtime
    )
    for old in templates[:-_KEPT]:
        if old != newest and not any(path.startswith(f"{old}/") for path in used):
            shutil.rmtree(old, ignore_errors=True)
