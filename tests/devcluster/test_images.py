"""Which files decide an image, how the machine's pip settings reach a build, and what an archive holds."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from devcluster.errors import ImageBuildError
from devcluster.images import archive, catalogue, dockerfile, settings, template
from devcluster.releases import published_checksum


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("FROM x\nCOPY a b /app/\n", ["a", "b"]),
        ("COPY --chown=1:1 a /app", ["a"]),
        ("COPY --from=build /opt /opt", []),
        ('COPY ["a b", "/app/"]', ["a b"]),
        ("COPY a \\\n  # a remark\n  b \\\n  /app", ["a", "b"]),
        ("copy a /app\nADD https://example.org/x /x\nADD a c /", ["a", "c"]),
        ("# COPY a /app\nRUN COPY", []),
    ],
)
def test_sources_of_a_dockerfile(text: str, sources: list[str]) -> None:
    assert dockerfile.sources(text) == sources


def test_files_are_what_sources_stand_for_without_caches(tmp_path: Path) -> None:
    for name in ("src/a.py", "src/__pycache__/a.pyc", "src/deep/b.txt", "other/c", "one.txt", "two.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    found = dockerfile.files(tmp_path, ["src/", "*.txt"])
    assert [str(file) for file in found] == ["one.txt", "src/a.py", "src/deep/b.txt", "two.txt"]


def test_a_source_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageBuildError, match="COPY gone: no such file"):
        dockerfile.files(tmp_path, ["gone"])


def test_pips_environment_wins_over_its_files() -> None:
    listing = ":env:.cert='/env.crt'\nglobal.cert='/file.crt'\nglobal.find-links='/a\\n/b'\nnot a line\n"
    assert settings.parse(listing) == {"cert": "/env.crt", "find-links": "/a\n/b"}


def test_settings_are_lent_to_a_build_by_mounts(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.touch()
    pip = settings.PipSettings(authority, {"find-links": str(tmp_path), "timeout": "9"})
    assert pip.configuration() == (
        f"[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nfind-links = {tmp_path}\ntimeout = 9\n"
    )
    assert pip.volumes(Path("/pip.conf")) == [
        "/pip.conf:/etc/pip.conf:ro",
        f"{authority}:/etc/ssl/certs/ca-certificates.crt:ro",
        f"{tmp_path}:{tmp_path}:ro",
    ]


def test_an_archive_has_one_layer_whose_digest_its_configuration_names(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!")
    target = tmp_path / "image.tar"
    archive.write_from_files(target, "example.org/p:1", {"/bin/p": program}, ["/bin/p"])
    with tarfile.open(target) as tar:
        listing = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        configuration = json.load(tar.extractfile(listing["Config"]))  # type: ignore[arg-type]
        layer = tar.extractfile(listing["Layers"][0]).read()  # type: ignore[union-attr]
    assert listing["RepoTags"] == ["example.org/p:1"]
    assert configuration["config"]["Entrypoint"] == ["/bin/p"]
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_the_same_program_gives_the_same_archive(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!")
    written = []
    for name in ("a.tar", "b.tar"):
        archive.write_from_files(tmp_path / name, "p:1", {"/p": program}, ["/p"])
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_a_node_shares_snapshots_and_content_with_the_template_and_not_its_databases(tmp_path: Path) -> None:
    root = tmp_path / "template"
    snapshots = root / "io.containerd.snapshotter.v1.overlayfs" / "snapshots"
    blobs = root / "io.containerd.content.v1.content" / "blobs" / "sha256"
    for directory in (snapshots / "1" / "fs", blobs):
        directory.mkdir(parents=True)
    (snapshots / "1" / "fs" / "file").write_text("layer")
    (blobs / "ab").write_text("manifest")
    (snapshots.parent / "metadata.db").write_text("db")
    node = tmp_path / "node"
    template.clone(root, node)
    inside = node / snapshots.relative_to(root)
    assert (inside / "1").is_symlink()
    assert (inside / "1" / "fs" / "file").read_text() == "layer"
    assert (node / (blobs / "ab").relative_to(root)).samefile(blobs / "ab")
    assert not (inside.parent / "metadata.db").samefile(snapshots.parent / "metadata.db")


@pytest.mark.parametrize(
    ("held_by", "chosen"),
    [
        ({"old": ["pause-1", "operator-1", "torch-1"]}, "old"),
        ({"little": ["pause-1"], "much": ["pause-1", "torch-1"]}, "much"),
        ({"other": ["pause-1", "torch-1", "toaster-1"], "little": ["pause-1"]}, "little"),
        ({"other": ["toaster-1"]}, None),
        ({}, None),
    ],
)
def test_a_new_template_starts_from_the_nearest_that_holds_nothing_unwanted(
    held_by: dict[str, list[str]], chosen: str | None
) -> None:
    wanted = ["pause-1", "operator-2", "torch-1"]
    found = template.nearest(wanted, {Path(name): has for name, has in held_by.items()})
    assert found == (Path(chosen) if chosen else None)


def test_an_unknown_image_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ImageBuildError, match="toaster: not an image of the catalogue: pause, kube-scheduler"):
        catalogue.archive("toaster", print)


def test_old_archives_and_half_written_ones_are_forgotten(tmp_path: Path) -> None:
    for age, name in enumerate(("new.tar", "older.tar", "oldest.tar", ".killed.tar.part")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    catalogue._forget_old(tmp_path / "new.tar")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new.tar", "older.tar"]


DIGEST = "a" * 64


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{DIGEST}\n", DIGEST),
        (f"{DIGEST}  file.tar.gz\n", DIGEST),
        (f"{DIGEST} *dir/file.tar.gz\n", DIGEST),
        (f"{'b' * 64}  other.tar.gz\n{DIGEST}  file.tar.gz\n", DIGEST),
        (f"{DIGEST}  other.tar.gz\n", None),
        ("<html>not found</html>", None),
    ],
)
def test_a_published_checksum_is_found_by_the_files_name(text: str, found: str | None) -> None:
    assert published_checksum(text, "file.tar.gz") == found
