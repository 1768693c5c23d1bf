"""A model file is there, readable, the one that was meant, and stays so until it is loaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import ModelRequest


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that is open, and its SHA-256 in hexadecimal."""

    stream: BinaryIO
    sha256: str

    @property
    def path(self) -> Path:
        """Leads to what is open, whichever file has its name by now."""
        return Path(f"/proc/self/fd/{self.stream.fileno()}")


@contextmanager
def opened(request: ModelRequest) -> Iterator[ModelFile]:
    """The file of `request`, for as long as it takes to load it.

    What is loaded must be what the digest was taken of: the file is opened once, and refused when the block is left if
    anything was done to it meanwhile.
    Raises ProfilerError ModelFileMissing, ModelDigestMismatch, or ModelFileChanged.
    """
    file, expected = request.file, request.sha256
    if file is None:
        raise ProfilerError("InvalidArgument", f"a model of source {request.source} needs a file", "model.file.path")
    try:
        stream = file.open("rb")
    except OSError as error:
        raise _missing(file, error) from error
    with stream:
        try:
            before = _state(stream)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
        except OSError as error:
            raise _missing(file, error) from error
        if expected is not None and digest != expected:
            message = f"{file} has SHA-256 {digest}, not {expected}; correct the digest or bring the right file"
            raise ProfilerError("ModelDigestMismatch", message, "model.file.sha256")
        try:
            yield ModelFile(stream, digest)
        finally:
            if _state(stream) != before:
                message = f"{file} was changed or replaced while it was being loaded; give each model a file of its own"
                raise ProfilerError("ModelFileChanged", message, "model.file.path")


def kept_elsewhere(location: str) -> ProfilerError:
    """That a part of the model lies in another file, at `location`."""
    where = f" ({location})" if location else ""
    message = f"weights lie in other files{where}, which the digest does not cover; save the model as one file"
    return ProfilerError("ModelFileInvalid", message, "model.file.path")


def _state(stream: BinaryIO) -> tuple[int, int, int]:
    """What changes with the content, whatever time the file is given afterwards, and when another takes its name."""
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _missing(file: Path, error: OSError) -> ProfilerError:
    message = f"{file} cannot be read ({error.strerror}); mount the volume or image that holds the model there"
    return ProfilerError("ModelFileMissing", message, "model.file.path")
