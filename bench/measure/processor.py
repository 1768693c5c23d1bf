"""Makes the library that lets a node class be of an older processor (`older_processor.c`), and tries it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("older_processor.c")
LIBRARY: Final = "older_processor.so"
LEVELS: Final = ("avx2", "sse42")


class ProcessorError(RuntimeError):
    """This machine cannot pass for one with an older processor; the message says why."""

    reason: Final = "ProcessorUnsuitable"


def make_library(folder: Path) -> Path:
    """Compile the library into `folder`; ProcessorError where that, or what it does, is not to be had here."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / LIBRARY
    try:
        argv = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        subprocess.run(argv, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise ProcessorError("there is no C compiler here, which older processors need: apt-get install gcc") from None
    except subprocess.CalledProcessError as error:
        message = f"{SOURCE.name} does not compile; it is for x86-64 and Linux alone: {error.stderr}"
        raise ProcessorError(message) from error
    for level in LEVELS:
        tried = subprocess.run(["true"], env=variables(library, level), capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            raise ProcessorError(f"{tried.stderr.strip()}; give --spec a cluster whose classes do without LD_PRELOAD")
    return library


def variables(library: Path, level: str) -> dict[str, str]:
    """The environment of a program that shall have an older processor."""
    return {**os.environ, "LD_PRELOAD": str(library), "OLDER_PROCESSOR": level}
