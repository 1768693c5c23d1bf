"""Where torch modules come from: torchvision by an architecture's name, or a file of torch.export. Never a pickle."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType

import torch
from torch.export.passes import move_to_device_pass

from foretide_profiler import torch_int8
from foretide_profiler.exported_archive import check
from foretide_profiler.failures import ProfilerError
from foretide_profiler.modelfile import opened
from foretide_profiler.requests import ModelRequest
from foretide_profiler.shapes import check_data_type, matching_shape


def build(request: ModelRequest, device: str) -> tuple[torch.nn.Module, tuple[int, ...], str | None]:
    """The module in evaluation mode, on this device, the full shape of its batch, and the digest of its file if any.

    Raises ProfilerError: UnknownModel, InputRefused, ModelFileMissing, ModelFileInvalid, ModelDigestMismatch or
    ModelFileChanged.
    """
    if request.source == "TorchVision":
        return _torchvision(request.name).eval().to(device), (request.batch_size, *(request.input_shape or ())), None
    return _exported(request, device)


def random_batch(shape: tuple[int, ...], data_type: str, device: str) -> torch.Tensor:
    """Seeded random input; integers are 0 or 1, which every vocabulary has."""
    torch.manual_seed(0)
    kind: torch.dtype = getattr(torch, data_type)
    if kind.is_floating_point:
        return torch.randn(shape, device=device).to(kind)
    return torch.randint(0, 2, shape, device=device, dtype=kind)


def in_precision(precision: str, module: torch.nn.Module, batch: torch.Tensor) -> tuple[torch.nn.Module, torch.Tensor]:
    """The module and its batch in fp32 as they are, or both in fp16 or bf16, or the module's linear layers in int8.

    Raises ProfilerError PrecisionUnsupported where int8 has nothing to do.
    """
    if precision == "int8":
        return torch_int8.quantise(module), batch
    kind = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision)
    if kind is None:
        return module, batch
    return module.to(kind), batch.to(kind) if batch.is_floating_point() else batch


def family(name: str) -> str:
    """The architecture family of a torchvision name: the name without its sizes, but with its version.

    `mobilenet_v3_small` is mobilenet_v3, `wide_resnet50_2` is wide_resnet, `vit_b_16` is vit.
    """
    words = name.rpartition("/")[2].lower().split("_")
    head = words[:2] if words[0] in ("wide", "quantized") else words[:1]
    head[-1] = re.sub(r"(?<!v)\d+$", "", head[-1])
    version = [word for word in words[len(head) : len(head) + 1] if re.fullmatch(r"v\d", word)]
    return "_".join(head + version)


def _torchvision(name: str) -> torch.nn.Module:
    with _light_import():
        import torchvision  # noqa: PLC0415 - of no use to the other sources

    try:
        builder = torchvision.models.get_model_builder(name)
    except ValueError as error:
        known = torchvision.models.list_models()
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"{len(known)} are known, such as mobilenet_v3_small"
        message = f"torchvision {torchvision.__version__} has no model {name!r}; {hint}"
        raise ProfilerError("UnknownModel", message, "model.name") from error
    takes_backbone = "weights_backbone" in inspect.signature(builder).parameters
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes on how weights will be initialised in future versions
        module: torch.nn.Module = builder(weights=None, **({"weights_backbone": None} if takes_backbone else {}))
    return module


@contextmanager
def _light_import() -> Iterator[None]:
    """Spare torchvision the imports that no inference needs: they take twice as long as all the rest of it.

    Torch's compiler is imported for one predicate of detection operators, and checkpointing for DenseNet's training. A
    stand-in for each gives the function that is asked for, and loads the real module should it ever be called.
    """
    names = [name for name in _STAND_INS if name not in sys.modules]
    sys.modules.update({name: _stand_in(name, _STAND_INS[name]) for name in names})
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


_STAND_INS = {
    "torch._dynamo.utils": ("is_compile_supported",),
    "torch.utils.checkpoint": ("checkpoint",),
    "torchvision.datasets": (),
}
"""Functions that torchvision takes, while it is imported, from modules that inference can do without."""


def _stand_in(name: str, functions: tuple[str, ...]) -> ModuleType:
    def forward(function: str, *args: object, **kwargs: object) -> object:
        return getattr(importlib.import_module(name), function)(*args, **kwargs)

    module = ModuleType(name)
    module.__dict__.update({function: partial(forward, function) for function in functions})
    return module


_NO_PICKLE = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0"}
"""Makes torch load tensors and nothing else: `torch.export.load` would unpickle whatever else a file holds in their
place, and with it run whatever code is in it."""


def _exported(request: ModelRequest, device: str) -> tuple[torch.nn.Module, tuple[int, ...], str]:
    os.environ.update(_NO_PICKLE)
    with opened(request) as file:
        check(file.stream)
        try:
            program = torch.export.load(file.stream)
        except Exception as error:
            message = f"torch {torch.__version__} cannot load the file: {error}"
            raise ProfilerError("ModelFileInvalid", message, "model.file.path") from error
    names = program.graph_signature.user_inputs
    if len(names) != 1:
        message = f"the model takes {len(names)} inputs ({', '.join(map(str, names))}); only one can be fed"
        raise ProfilerError("InputRefused", message, "input")
    wanted = next(node.meta["val"] for node in program.graph.nodes if node.name == names[0])
    check_data_type(request, str(wanted.dtype).removeprefix("torch."))
    declared = [size if isinstance(size, int) else None for size in wanted.shape]
    shape = matching_shape(request, declared, str(names[0]))
    # The device of tensors made on the way, as a recurrence's first state, is written into the program. So is that the
    # result of attention can be looked at in another shape, which holds where it was exported and not on every GPU.
    moved = move_to_device_pass(program, device)
    for node in moved.graph.nodes:
        if node.target is torch.ops.aten.view.default:
            node.target = torch.ops.aten.reshape.default
    moved.graph_module.recompile()
    return moved.module(), shape, file.sha256
