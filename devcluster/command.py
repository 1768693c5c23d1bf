"""Run one program to its end and return what it says; an error carries what it wrote to stderr."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.errors import CommandError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout_seconds: float | None = None,
) -> str:
    """Return stdout of a program that succeeded.

    `environment` is added to this process's own. Raises `CommandError` when the exit status is not 0, when the program
    is absent (status 127) and when it takes longer than `timeout_seconds` (status 124).
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            check=False,
            env=None if environment is None else {**os.environ, **environment},
            cwd=directory,
            timeout=timeout_seconds,
        )
    except FileNotFoundError as error:
        raise CommandError(words, 127, f"{words[0]}: not found") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(words, 124, f"no answer within {timeout_seconds} s") from error
    if done.returncode != 0:
        raise CommandError(words, done.returncode, done.stderr or done.stdout)
    return done.stdout
