"""torch modules on the CPU, or on the first CUDA device where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foretide_profiler import torch_modules
from foretide_profiler.cgroups import Limits
from foretide_profiler.failures import ProfilerError, accelerator_is_full
from foretide_profiler.int8 import needs_a_cpu
from foretide_profiler.requests import ModelRequest
from foretide_profiler.runtimes import ModelInput


class TorchModel:
    """A module on its device, and the batch that it is fed with."""

    accelerator: str | None
    accelerator_uuid: str | None

    def __init__(self, module: torch.nn.Module, batch: torch.Tensor, data_type: str, sha256: str | None) -> None:
        self.sha256 = sha256
        self._module = module
        self._batch = batch
        self._data_type = data_type
        self._is_on_gpu = batch.is_cuda
        self.accelerator = torch.cuda.get_device_name() if self._is_on_gpu else None
        self.accelerator_uuid = f"GPU-{torch.cuda.get_device_properties().uuid}" if self._is_on_gpu else None
        device = "CUDA" if self._is_on_gpu else f"CPU {torch.backends.cpu.get_cpu_capability()}"
        self.runtime = f"torch {torch.__version__} {device}"

    def infer(self) -> object:
        """One forward pass; on a GPU, ended when the device is done."""
        with torch.inference_mode():
            output = self._module(self._batch)
            if self._is_on_gpu:
                torch.cuda.synchronize()
            return output

    @property
    def input(self) -> ModelInput:
        """The module's one argument, in the type that is asked for: another precision is made of it inside."""
        return ModelInput("input", tuple(self._batch.shape), self._data_type)

    def answer(self, batch: npt.NDArray[np.generic]) -> Sequence[tuple[str, Any]]:
        """One forward pass over a batch of somebody else's."""
        given = torch.from_numpy(batch).to(device=self._batch.device, dtype=self._batch.dtype)
        with torch.inference_mode():
            return [(name, _as_array(value)) for name, value in _named(self._module(given))]

    def feed(self, batch_size: int) -> None:
        """Random batches of this size from now on; a module that takes none such says so at the inference."""
        batch, shape = self._batch, (batch_size, *self._batch.shape[1:])
        self._batch = torch_modules.random_batch(shape, self._data_type, batch.device.type).to(batch.dtype)

    def accelerator_memory_peak_bytes(self) -> int | None:
        """The allocator's peak on the GPU."""
        return int(torch.cuda.max_memory_allocated()) if self._is_on_gpu else None


def _named(output: object) -> list[tuple[str, object]]:
    """The outputs of a module by name: those of a mapping by theirs, others by their place."""
    if isinstance(output, Mapping):
        return [(str(name), value) for name, value in output.items()]
    if isinstance(output, tuple | list):
        return [(f"output_{place}", value) for place, value in enumerate(output)]
    return [("output", output)]


def _as_array(value: object) -> object:
    """A tensor as numpy has it, which has no bfloat16; all else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    tensor: torch.Tensor = value.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def load(request: ModelRequest, limits: Limits) -> TorchModel:
    """Build the module with as many threads as the CPU quota feeds, and put it where it runs."""
    torch.set_num_threads(limits.threads)
    torch.set_num_interop_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if request.precision == "int8" and device != "cpu":
        raise needs_a_cpu(f"torch {torch.__version__}")
    try:
        module, shape, digest = torch_modules.build(request, device)
        batch = torch_modules.random_batch(shape, request.data_type, device)
        module, batch = torch_modules.in_precision(request.precision, module, batch)
        return TorchModel(module, batch, request.data_type, digest)
    except torch.OutOfMemoryError as error:
        raise accelerator_is_full(error) from error
    except MemoryError as error:
        raise ProfilerError("OutOfMemory", f"the model does not fit: {error}", "resources.limits.memory") from error
