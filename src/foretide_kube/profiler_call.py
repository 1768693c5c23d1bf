"""What the profiler is told of a workload, in a Pod or by hand: the workload alone decides what is measured."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from foretide_kube.kinds.aiworkload import AIWorkloadSpec

MODEL_FOLDER: Final = PurePath("/model")
"""Where Pods have the volume of the model's file."""


def workload_arguments(spec: AIWorkloadSpec, models: PurePath = MODEL_FOLDER) -> list[str]:
    """The arguments, whatever is to be done with it; ``models`` is the folder of its file, as its volume."""
    arguments = ["--source", spec.model.source]
    if spec.model.name is not None:
        arguments += ["--name", spec.model.name]
    if spec.model.file is not None:
        arguments += ["--file", str(models / spec.model.file.path), "--sha256", spec.model.file.sha256]
    return [
        *arguments,
        "--input",
        ",".join(str(size) for size in spec.input.shape),
        "--data-type",
        spec.input.data_type,
        "--batch-size",
        str(spec.batch_size),
        "--precision",
        spec.precision,
    ]
