"""Find which files a Dockerfile takes, so that they alone are its context and decide when it is built again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from devcluster.errors import ImageBuildError

_IGNORED_DIRECTORIES = {"__pycache__", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules"}
_IGNORED_SUFFIXES = {".pyc", ".egg-info"}


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction's name in capitals and its arguments, continued lines joined."""
    joined = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        joined += stripped.removesuffix("\\")
        if stripped.endswith("\\"):
            joined += " "
            continue
        name, _, arguments = joined.partition(" ")
        yield name.upper(), arguments.strip()
        joined = ""


def sources(text: str) -> list[str]:
    """Return the paths and patterns that COPY and ADD take from the context (not from another stage or a URL)."""
    found: list[str] = []
    for name, arguments in instructions(text):
        if name not in {"COPY", "ADD"}:
            continue
        words = shlex.split(arguments)
        flags = [word for word in words if word.startswith("--")]
        words = words[len(flags) :]
        if any(flag.startswith("--from=") for flag in flags):
            continue
        if words and words[0].startswith("["):
            words = json.loads(arguments[arguments.index("[") :])
        found += [word for word in words[:-1] if "://" not in word]
    return list(dict.fromkeys(found))


def files(root: Path, taken: list[str]) -> list[Path]:
    """Return the files, relative to `root`, that sources stand for; raises `ImageBuildError` where one is absent."""
    found: set[Path] = set()
    for source in taken:
        pattern = source.strip("/") or "."
        matches = [root] if pattern == "." else sorted(root.glob(pattern))
        if not matches:
            raise ImageBuildError(f"COPY {source}: no such file in the repository")
        for match in matches:
            found.update(file.relative_to(root) for file in _walk(match))
    return sorted(found)


def _walk(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for entry in sorted(path.iterdir()):
        if entry.name in _IGNORED_DIRECTORIES or entry.suffix in _IGNORED_SUFFIXES or entry.is_symlink():
            continue
        yield from _walk(entry)
