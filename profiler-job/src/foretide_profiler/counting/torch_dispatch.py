"""The signature of a torch module, from the operators that one forward pass dispatches on the meta device.

No weights are allocated and nothing is computed. Modules that need real values on the way are counted on the CPU. The
fused path of attention is off, since it hides its products.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import torch
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from foretide.signature import OperatorKind, Signature
from foretide_profiler import torch_int8, torch_modules
from foretide_profiler.counting.tally import Tally
from foretide_profiler.failures import ProfilerError
from foretide_profiler.int8 import SAVED_BYTES_PER_WEIGHT, nothing_to_quantise
from foretide_profiler.requests import ModelRequest

Tree = Any
"""Whatever an operator of torch takes or gives: tensors, numbers, and sequences of them."""

LINEAR = frozenset({"aten.mm", "aten.addmm"})
PRODUCTS_OF_ACTIVATIONS = frozenset({"aten.bmm", "aten.baddbmm"})
WHOLE_ATTENTION = frozenset(
    {
        "aten.scaled_dot_product_attention",
        "aten._scaled_dot_product_flash_attention_for_cpu",
        "aten._scaled_dot_product_flash_attention",
        "aten._scaled_dot_product_efficient_attention",
        "aten._scaled_dot_product_cudnn_attention",
    }
)
"""Of query, key and value; how a device performs it is no matter of the model."""
RECURRENCES = frozenset({"aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu"})
"""Counted whole, as ONNX does: a runtime performs them so, and taken apart they are as many operators as steps."""
COUNTED_WHOLE = {"aten.linear"} | RECURRENCES | WHOLE_ATTENTION
NORMALIZATION = frozenset(
    {
        "aten.native_batch_norm",
        "aten._native_batch_norm_legit_no_training",
        "aten._native_batch_norm_legit",
        "aten.cudnn_batch_norm",
        "aten.native_layer_norm",
        "aten.native_group_norm",
        "aten._softmax",
        "aten._log_softmax",
    }
)
UNTAGGED_ELEMENTWISE = frozenset(
    {
        "aten.hardtanh_",
        "aten.hardswish",
        "aten.hardswish_",
        "aten.hardsigmoid_",
        "aten.leaky_relu",
        "aten._prelu_kernel",
        "aten._to_copy",
    }
)
"""Those that torch does not tag as pointwise."""


def count(request: ModelRequest) -> tuple[Signature, str | None]:
    """The module's signature, and the digest of its file if any; raises InputRefused and all that building raises."""
    torch.backends.mha.set_fastpath_enabled(False)
    with suppress(Exception):  # a module may fail on the meta device in any way
        return _count_on("meta", request)
    try:
        return _count_on("cpu", request)
    except ProfilerError:
        raise
    except Exception as error:
        shape = ",".join(map(str, request.input_shape or ()))
        message = f"the model refuses an input of shape {shape} with batch size {request.batch_size}: {error}"
        raise ProfilerError("InputRefused", message, "input.shape") from error


def _count_on(device: str, request: ModelRequest) -> tuple[Signature, str | None]:
    # Only an architecture is made of new tensors; a file's are loaded as they are, and moved.
    with torch.device(device) if request.source == "TorchVision" else nullcontext():
        module, shape, digest = torch_modules.build(request, device)
    batch = torch_modules.random_batch(shape, request.data_type, device)
    # In int8 the same operators work on smaller weights.
    in_bytes = torch_int8.weights(module) if request.precision == "int8" else []
    if request.precision == "int8" and not in_bytes:
        raise nothing_to_quantise()
    if not in_bytes:
        module, batch = torch_modules.in_precision(request.precision, module, batch)
    tally = Tally()
    counter = _Counter(tally, batch)
    # Outside inference mode autograd takes composite operators apart before they are seen, recurrences among them.
    with torch.inference_mode(), counter:
        module(batch)
    name = torch_modules.family(request.name) if request.name else tally.dominating_kind()
    parameters = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    parameter_bytes = sum(tensor.numel() * tensor.element_size() for tensor in parameters.values())
    parameter_bytes -= SAVED_BYTES_PER_WEIGHT * sum({id(tensor): tensor.numel() for tensor in in_bytes}.values())
    return tally.signature(name[:64], parameter_bytes, shape[1:], request.batch_size), digest


class _Counter(TorchDispatchMode):  # type: ignore[misc]
    """Sees each operator with its real operands, and keeps account of the storages that operators made."""

    def __init__(self, tally: Tally, batch: torch.Tensor) -> None:
        super().__init__()
        self._tally = tally
        self._live: dict[StorageWeakRef, int] = {}
        self._hold(batch)

    def __torch_dispatch__(self, func: OpOverload, types: Tree, args: Tree = (), kwargs: Tree = None) -> Tree:
        kwargs = kwargs or {}
        if func.overloadpacket not in flop_registry and str(func.overloadpacket) not in COUNTED_WHOLE:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        inputs = list(_tensors((args, kwargs)))
        if inputs:
            self._account(func, inputs, list(_tensors(result)), args, kwargs)
        return result

    def _account(
        self, func: OpOverload, inputs: list[torch.Tensor], outputs: list[torch.Tensor], args: Tree, kwargs: Tree
    ) -> None:
        shown = {StorageWeakRef(tensor.untyped_storage()) for tensor in inputs}
        made = [tensor for tensor in outputs if StorageWeakRef(tensor.untyped_storage()) not in shown]
        if not made and not func._schema.is_mutable:  # noqa: SLF001 - torch's own modes ask it so
            return  # a view writes nothing
        for storage in [storage for storage in self._live if storage.expired()]:
            self._tally.release(self._live.pop(storage))
        for tensor in made:
            self._hold(tensor)
        written = sum(tensor.numel() * tensor.element_size() for tensor in outputs)
        kind, macs = _cost(func, args, kwargs, outputs)
        self._tally.add(kind, macs, written)

    def _hold(self, tensor: torch.Tensor) -> None:
        storage, size = StorageWeakRef(tensor.untyped_storage()), tensor.untyped_storage().nbytes()
        self._live[storage] = size
        self._tally.allocate(size)


def _cost(func: OpOverload, args: Tree, kwargs: Tree, outputs: list[torch.Tensor]) -> tuple[OperatorKind, int]:
    name = str(func.overloadpacket)
    if name == "aten.convolution":
        return _convolution(args, outputs[0])
    if name in LINEAR | PRODUCTS_OF_ACTIVATIONS:
        result = outputs[0] if len(outputs) == 1 else tuple(outputs)
        macs = flop_registry[func.overloadpacket](*args, **kwargs, out_val=result) // 2
        return ("linear" if name in LINEAR else "attention"), macs
    if name in WHOLE_ATTENTION:
        query, key, value = args[:3]
        return "attention", query.shape[:-1].numel() * key.shape[-2] * (key.shape[-1] + value.shape[-1])
    if name == "aten.linear":
        return "linear", args[0].shape[:-1].numel() * args[1].numel()
    if name in RECURRENCES:
        return "linear", _recurrence(args)
    if name in NORMALIZATION:
        return "normalization", 0
    is_elementwise = torch.Tag.pointwise in func.tags or name in UNTAGGED_ELEMENTWISE
    return ("elementwise" if is_elementwise else "other"), 0


def _convolution(args: Tree, output: torch.Tensor) -> tuple[OperatorKind, int]:
    """Arguments: input, weight (out, in / groups, *kernel; transposed: in, out / groups, *kernel), …, groups."""
    image, weight, is_transposed, groups = args[0], args[1], args[6], args[8]
    swept = image if is_transposed else output
    is_depthwise = groups > 1 and (weight.shape[0] if is_transposed else groups * weight.shape[1]) == groups
    macs = swept.numel() * math.prod(weight.shape[1:])
    return ("depthwiseConvolution" if is_depthwise else "denseConvolution"), macs


def _recurrence(args: Tree) -> int:
    """Arguments: input (items and steps, features), states, parameters: each step multiplies by each matrix once."""
    steps: int = args[0].shape[:-1].numel()
    elements: int = sum(tensor.numel() for tensor in args[2] if tensor.ndim == 2)
    return steps * elements


def _tensors(tree: Tree) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))
