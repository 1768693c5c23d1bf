"""Builds a release into `dist/`: sdists, wheels, the packaged chart, a bill of materials of each image, checksums.

python -m release --cyclonedx PROGRAM        what `make release` does, which installs that program first
python -m release --version 1.2.3            names a new version in every file that tells it
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from devcluster import binaries
from release.versions import CHART, MEMBERS, ROOT, VersionsDifferError, version, write

DIST = ROOT / "dist"
IMAGES = {
    "operator": "operator",
    "extender": "extender",
    "profiler-onnx": "profiler-job",
    "profiler-torch": "profiler-job",
}
"""Of each image, whose pinned libraries its requirements name, the folder of what runs in it."""


def main(arguments: list[str]) -> int:
    """Build, or name a version; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m release", description="Build a release into dist/.")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--cyclonedx", type=Path, help="the program cyclonedx-py, which writes bills of materials")
    asked.add_argument("--version", type=_number, help="only set this version in every file that has it")
    options = parser.parse_args(arguments)
    if options.version:
        write(options.version)
        return 0
    try:
        named = version()
    except VersionsDifferError as error:
        print(f"versions differ: {error}", file=sys.stderr)
        return 1
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for folder in MEMBERS.values():
        _run([sys.executable, "-m", "hatchling", "build", "--directory", str(DIST)], folder)
    helm = binaries.ensure(["helm"], print)["helm"]
    _run([str(helm), "package", str(CHART), "--destination", str(DIST)])
    for image, member in IMAGES.items():
        bill = DIST / f"foretide-{image}-{named}.cdx.json"
        words = ["--pyproject", f"{member}/pyproject.toml", "--output-reproducible", "-o", str(bill)]
        _run([str(options.cyclonedx), "requirements", f"requirements/{image}.txt", *words])
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(DIST.iterdir())]
    (DIST / "SHA256SUMS").write_text("".join(sums))
    for made in sorted(DIST.iterdir()):
        print(f"{made.stat().st_size / 1000:9,.0f} kB  {made.relative_to(ROOT)}")
    return 0


def _number(text: str) -> str:
    """A version that is the same to Python and to helm, which write others in ways of their own."""
    if not re.fullmatch(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version; write three numbers, such as 1.2.3")
    return text


def _run(words: list[str], folder: Path = ROOT) -> None:
    """Run a program, which says more than is of use unless it fails."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
