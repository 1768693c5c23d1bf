"""What devcluster raises: one base for callers that only report, and the reasons that some handle."""

from __future__ import annotations


class DevclusterError(Exception):
    """Anything that stops devcluster; the message says what happened and the way out."""

    reason = "DevclusterFailed"


class SpecError(DevclusterError):
    """A cluster description that cannot be carried out."""

    reason = "SpecInvalid"


class PreflightError(DevclusterError):
    """This machine lacks something; each line of the message names it and what to do."""

    reason = "PreflightFailed"


class BinaryError(DevclusterError):
    """A program could be neither found, nor downloaded, nor built."""

    reason = "BinaryMissing"


class ChecksumError(BinaryError):
    """What was downloaded is not what its project published."""

    reason = "ChecksumMismatch"


class ImageBuildError(DevclusterError):
    """An image could not be built."""

    reason = "ImageBuildFailed"


class ClusterInUseError(DevclusterError):
    """A cluster of this name is up, or another process is working on it."""

    reason = "ClusterInUse"


class ClusterNotFoundError(DevclusterError):
    """No cluster of this name is up."""

    reason = "ClusterNotFound"


class StartError(DevclusterError):
    """A part of the cluster did not become ready; the message carries the end of its log."""

    reason = "StartFailed"


class CommandError(DevclusterError):
    """A program returned an error.

    `returncode` is its exit status, `stderr` what it wrote there.
    """

    reason = "CommandFailed"

    def __init__(self, argv: list[str], returncode: int, stderr: str) -> None:
        shown = " ".join(argv[:12]) + (" …" if len(argv) > 12 else "")
        super().__init__(f"{shown}: exit status {returncode}\n{stderr.strip()[-4000:]}")
        self.returncode = returncode
        self.stderr = stderr
