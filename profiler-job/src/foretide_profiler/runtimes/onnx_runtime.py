"""ONNX files on onnxruntime, without the `onnx` package, whose import a short task cannot afford."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from foretide_profiler.cgroups import Limits
from foretide_profiler.failures import ProfilerError
from foretide_profiler.int8 import needs_a_cpu
from foretide_profiler.modelfile import kept_elsewhere, opened
from foretide_profiler.nvidia import gpu_in_use
from foretide_profiler.requests import ModelRequest
from foretide_profiler.runtimes import ModelInput
from foretide_profiler.shapes import check_data_type, matching_shape

NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
}
_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")


class OnnxModel:
    """A session and the batch that it is fed with."""

    accelerator: str | None
    accelerator_uuid: str | None = None

    def __init__(self, session: ort.InferenceSession, request: ModelRequest, sha256: str) -> None:
        provider = session.get_providers()[0]
        self.sha256: str | None = sha256
        self.runtime = runtime_name(provider)
        self.accelerator = _gpu_name() if provider == "CUDAExecutionProvider" else None
        self._session = session
        self._request = request
        self.feed(request.batch_size)

    @property
    def input(self) -> ModelInput:
        """The session's one input, as it is fed now."""
        ((name, batch),) = self._feeds.items()
        return ModelInput(name, batch.shape, batch.dtype.name)

    def infer(self) -> object:
        """Run the session once; onnxruntime returns when the outputs are in host memory."""
        return self._session.run(None, self._feeds)

    def answer(self, batch: npt.NDArray[np.generic]) -> Sequence[tuple[str, Any]]:
        """Run the session once on a batch of somebody else's."""
        names = [output.name for output in self._session.get_outputs()]
        return list(zip(names, self._session.run(names, {self.input.name: batch}), strict=True))

    def feed(self, batch_size: int) -> None:
        """Random batches of this size from now on."""
        batch = _batch(self._session, replace(self._request, batch_size=batch_size))
        self._feeds = {self._session.get_inputs()[0].name: batch}

    def accelerator_memory_peak_bytes(self) -> int | None:
        """Unknown: onnxruntime does not tell."""
        return None


def load(request: ModelRequest, limits: Limits) -> OnnxModel:
    """Open the file in a session with as many threads as the CPU quota feeds."""
    with opened(request) as file:
        session = open_session(_source(file.path, request.precision), limits)
    return OnnxModel(session, request, file.sha256)


def _source(file: Path, precision: str) -> Path | bytes:
    """The file as it is, or made anew in int8."""
    if precision != "int8":
        return file
    if _PREFERRED[0] in ort.get_available_providers():
        raise needs_a_cpu(f"onnxruntime {ort.__version__}")
    from foretide_profiler import onnx_int8  # noqa: PLC0415 - imports onnx

    return onnx_int8.quantised(file)


def runtime_name(provider: str) -> str:
    """Name, version and execution provider."""
    return f"onnxruntime {ort.__version__} {provider}"


def open_session(model: Path | bytes, limits: Limits) -> ort.InferenceSession:
    """Open a model file, or a model's bytes, for inference within `limits`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = limits.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if limits.is_throttled:
        # A thread that spins while it waits burns the quota that the others need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = ort.get_available_providers()
    providers = [provider for provider in _PREFERRED if provider in available]
    source = str(model) if isinstance(model, Path) else model
    try:
        return ort.InferenceSession(source, options, providers)
    except Exception as error:  # onnxruntime's errors share no base below Exception
        text = str(error)
        if "bad_alloc" in text or "Failed to allocate memory" in text:
            raise ProfilerError("OutOfMemory", f"the model does not fit: {text}", "resources.limits.memory") from error
        if "External data path" in text:
            raise kept_elsewhere("") from error
        message = f"onnxruntime {ort.__version__} cannot load the file: {text}"
        raise ProfilerError("ModelFileInvalid", message, "model.file.path") from error


def _batch(session: ort.InferenceSession, request: ModelRequest) -> npt.NDArray[np.generic]:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(node.name for node in inputs)
        message = f"the model takes {len(inputs)} inputs ({names}); only models with one input can be fed"
        raise ProfilerError("InputRefused", message, "input")
    wanted = inputs[0]
    check_data_type(request, NUMPY_TYPES.get(wanted.type, wanted.type))
    return random_batch(matching_shape(request, wanted.shape, wanted.name), request.data_type)


def random_batch(shape: tuple[int, ...], data_type: str) -> npt.NDArray[np.generic]:
    """Seeded random input; integers are 0 or 1, which every vocabulary has."""
    generator = np.random.default_rng(0)
    if data_type.startswith("float"):
        return generator.standard_normal(shape, dtype=np.float32).astype(data_type, copy=False)
    return generator.integers(0, 2, shape).astype(data_type)


def _gpu_name() -> str:
    gpu = gpu_in_use()
    return gpu.name if gpu is not None else "CUDA"
