"""What is released: one version everywhere, and source archives that hold what their wheels need and no more."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from release import versions
from release.__main__ import main
from release.versions import CHART, MEMBERS, VersionsDifferError, told, version, write

PACKAGES = {
    "foretide": {"foretide", "foretide_kube", "foretide_cli"},
    "foretide-operator": {"foretide_operator"},
    "foretide-extender": {"foretide_extender"},
    "foretide-profiler": {"foretide_profiler"},
}


def test_every_file_that_names_a_version_names_the_same() -> None:
    assert len(told()) == len(MEMBERS) + 1
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version()


def test_a_new_version_is_named_in_every_file_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = {}
    for number, (path, line) in enumerate(versions._LINES.items()):
        copy = tmp_path / f"{number}-{path.name}"
        copy.write_text(path.read_text())
        copies[copy] = line
    before = {path: path.read_text() for path in copies}
    old = version()
    monkeypatch.setattr(versions, "_LINES", copies)
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    write("12.3.4")
    assert version() == "12.3.4"
    write(old)
    assert {path: path.read_text() for path in copies} == before
    next(iter(copies)).write_text('version = "9.9.9"\n')
    with pytest.raises(VersionsDifferError, match=r"9\.9\.9"):
        version()


@pytest.mark.parametrize("text", ["1.2", "v1.2.3", "1.2.3-rc.1", "1.02.3", "1.2.3\n", ""])
def test_what_python_and_helm_would_write_differently_is_no_version(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = version()
    with pytest.raises(SystemExit) as ended:
        main(["--version", text])
    assert (ended.value.code, version()) == (2, before)
    assert "as 1.2.3" in capsys.readouterr().err


def built(source: Path, target: Path, kind: str) -> Path:
    words = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    subprocess.run(words, cwd=source, check=True, capture_output=True)
    (found,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return found


@pytest.mark.parametrize("name", MEMBERS)
def test_a_source_archive_builds_the_wheel_of_its_packages_and_holds_nothing_of_others(
    name: str, tmp_path: Path
) -> None:
    archive = built(MEMBERS[name], tmp_path / "sdist", "sdist")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert {path.name for path in (unpacked / "src").iterdir()} == PACKAGES[name]
    assert {path.name for path in unpacked.iterdir()} <= {
        "src", "pyproject.toml", "PKG-INFO", "README.md", "LICENSE", ".gitignore"
    }  # fmt: skip
    wheel = built(unpacked, tmp_path / "wheel", "wheel")
    assert wheel.name == f"{name.replace('-', '_')}-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        held = {one for one in file.namelist() if ".dist-info/" not in one}
    present = {
        str(path.relative_to(MEMBERS[name] / "src"))
        for package in PACKAGES[name]
        for path in (MEMBERS[name] / "src" / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == present
