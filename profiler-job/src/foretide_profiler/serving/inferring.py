"""Inferences on what clients send: each failure with its reason, and whether any can be made still."""

from __future__ import annotations

from foretide_profiler.runtimes import LoadedModel
from foretide_profiler.serving.protocol import Outputs, RequestError, Tensor


class Inferences:
    """The model's answers. ``is_lost`` once its accelerator gives none to anybody: only a new process has it back.

    A token that no vocabulary has is an index out of bounds, on CUDA found by the device, which then refuses every
    call of this process.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.is_lost = False
        self._model = model

    def answer(self, batch: Tensor) -> Outputs:
        """One inference; raises RequestError InferenceFailed or OutOfMemory."""
        try:
            return self._model.answer(batch)
        except Exception as error:
            self._look()
            text = str(error).lower()
            if isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text:
                message = f"{str(error)[:900] or 'an inference does not fit'}; raise spec.resources.limits.memory"
                raise RequestError(500, "OutOfMemory", message) from error
            message = f"the model refuses the input, or failed: {error}"
            raise RequestError(500, "InferenceFailed", message[:1024], "inputs[0].data") from error

    def _look(self) -> None:
        """Try the model's own batch, which it took before."""
        if self._model.accelerator is None:
            return
        try:
            self._model.infer()
        except Exception:  # noqa: BLE001 - whatever a driver says
            self.is_lost = True
