"""What int8 means, whichever runtime computes it: dynamic quantisation of the products with constant matrices.

Weights are quantised once, each output channel by its own scale; activations at each inference, when their range is
known. Everything else computes in float. There is no calibration, so nothing but the model itself is needed.
"""

from __future__ import annotations

from typing import Final

from foretide_profiler.failures import ProfilerError

SAVED_BYTES_PER_WEIGHT: Final = 3
"""Of the four that a weight takes in float32; a scale for each output channel is not worth counting."""


def nothing_to_quantise() -> ProfilerError:
    """That int8 would change nothing in a model."""
    message = "there is no matrix product with float32 weights to compute in int8; choose fp32"
    return ProfilerError("PrecisionUnsupported", f"precision int8: {message}", "precision")


def needs_a_cpu(runtime: str) -> ProfilerError:
    """That the node's accelerator does not compute in int8 by this runtime."""
    message = f"{runtime} computes in int8 on CPUs only; choose fp32, fp16 or bf16, or node classes without a GPU"
    return ProfilerError("PrecisionUnsupported", f"precision int8: {message}", "precision")
