"""What NVIDIA's management library tells of the first GPU, where there is one."""

from __future__ import annotations

from types import ModuleType


class Gpu:
    """The first GPU that this container sees."""

    def __init__(self, library: ModuleType, handle: object) -> None:
        self._library = library
        self._handle = handle

    @property
    def name(self) -> str:
        """The product's name."""
        return str(self._library.nvmlDeviceGetName(self._handle))

    @property
    def driver(self) -> str:
        """The driver's version."""
        return str(self._library.nvmlSystemGetDriverVersion())

    def energy_microjoules(self) -> int | None:
        """Energy spent since the driver was loaded, or None where the GPU does not count it."""
        try:
            return 1000 * int(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._library.NVMLError:
            return None


def first_gpu() -> Gpu | None:
    """Open the first GPU, or None without the library, the driver or a GPU."""
    try:
        import pynvml  # noqa: PLC0415 - of no use on most nodes
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        return Gpu(pynvml, pynvml.nvmlDeviceGetHandleByIndex(0))
    except pynvml.NVMLError:
        return None
