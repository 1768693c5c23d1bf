"""A model file is there, readable, and the one that was meant."""

from __future__ import annotations

import hashlib
from pathlib import Path

from foretide_profiler.failures import ProfilerError


def verified_digest(file: Path, expected: str | None) -> str:
    """Return the SHA-256 of `file` in hexadecimal.

    Raises ProfilerError ModelFileMissing, or ModelDigestMismatch where `expected` is given and differs.
    """
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        message = f"{file} cannot be read ({error.strerror}); mount the volume or image that carries the model there"
        raise ProfilerError("ModelFileMissing", message, "model.file.path") from error
    if expected is not None and digest != expected:
        message = f"{file} has SHA-256 {digest}, not {expected}; correct the digest or bring the right file"
        raise ProfilerError("ModelDigestMismatch", message, "model.file.sha256")
    return digest
