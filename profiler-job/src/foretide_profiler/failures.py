"""The one way in which the profiler says that it cannot do what was asked."""

from __future__ import annotations


class ProfilerError(Exception):
    """A failure with a CamelCase `reason`, a `message` to act on, and the `field` of the workload at fault."""

    def __init__(self, reason: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field

    def __str__(self) -> str:
        where = f" ({self.field})" if self.field else ""
        return f"{self.reason}{where}: {self.message}"


def accelerator_is_full(error: Exception) -> ProfilerError:
    """That a model and its batch need more memory than the accelerator has, in the runtime's own first words."""
    said = ". ".join(str(error).split(". ")[:3])
    message = f"the accelerator has too little memory; lower batchSize or use a larger one: {said}"
    return ProfilerError("OutOfMemory", message, "batchSize")
