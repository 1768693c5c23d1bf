"""Dynamic int8 of torch's linear layers: products of int8 matrices, each row of activations by its own scale.

torch's own dynamic quantisation is deprecated, and its successor is another package, with versions of its own for each
of torch's. What both come down to, a product of int8 matrices, torch has in all versions; the rest is a scale for each
row and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from foretide_profiler.int8 import nothing_to_quantise

_GREATEST = 127.0
_LINEAR = torch.ops.aten.linear.default


class Int8Weight:
    """Stands in a linear layer for its weight: `torch.nn.functional.linear` multiplies by it in int8.

    ``weight`` is (outputs, inputs) in float32. Whatever else is done with a weight is not done with this one.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        self.shape = weight.shape
        scale = (weight.abs().amax(1, keepdim=True) / _GREATEST).clamp_min(torch.finfo(weight.dtype).tiny)
        self._columns = (weight / scale).round().to(torch.int8).t()
        self._scales = scale.t().contiguous()

    def multiply(self, batch: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """What a linear layer of this weight makes of a batch (…, inputs)."""
        rows = batch.reshape(-1, batch.shape[-1])
        scales = (rows.abs().amax(1, keepdim=True) / _GREATEST).clamp_min(torch.finfo(rows.dtype).tiny)
        product = torch._int_mm((rows / scales).round_().to(torch.int8), self._columns)  # noqa: SLF001
        result = product.to(rows.dtype).mul_(scales).mul_(self._scales)
        if bias is not None:
            result.add_(bias)
        return result.reshape(*batch.shape[:-1], self.shape[0])

    @classmethod
    def __torch_function__(cls, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> torch.Tensor:  # noqa: ANN401
        """Called by torch in place of `function` where an operand is of this class."""
        operands = dict(zip(("input", "weight", "bias"), args, strict=False)) | (kwargs or {})
        if function is not torch.nn.functional.linear or not isinstance(operands.get("weight"), cls):
            return NotImplemented
        return operands["weight"].multiply(operands["input"], operands.get("bias"))


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    """The float32 weights that int8 keeps in one byte each."""
    return [getattr(owner, name) for owner, name in _places(module)]


def quantise(module: torch.nn.Module) -> torch.nn.Module:
    """Give the module int8 weights in place of its own; raises ProfilerError PrecisionUnsupported if it has none."""
    places = list(_places(module))
    if not places:
        raise nothing_to_quantise()
    made: dict[int, Int8Weight] = {}
    for owner, name in places:
        weight = getattr(owner, name)
        if not isinstance(weight, Int8Weight):
            made[id(weight)] = made.get(id(weight)) or Int8Weight(weight.detach())
            delattr(owner, name)
            setattr(owner, name, made[id(weight)])
    if isinstance(module, torch.fx.GraphModule):
        for node in module.graph.nodes:
            if node.target is _LINEAR:  # the operator itself asks no operand; the function does
                node.target = torch.nn.functional.linear
        module.recompile()
    return module


def _places(module: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str]]:
    """Modules, and the names of those of their attributes that are weights of linear layers and nothing else."""
    if isinstance(module, torch.fx.GraphModule):
        for node in module.graph.nodes:
            if node.op == "get_attr" and all(use.target is _LINEAR and use.args[1] is node for use in node.users):
                path, _, name = node.target.rpartition(".")
                owner = module.get_submodule(path)
                if node.users and getattr(owner, name).dtype is torch.float32:
                    yield owner, name
        return
    for part in module.modules():
        # No subclass: nn.MultiheadAttention has one whose weight it takes past the layer.
        if type(part) is torch.nn.Linear and part.weight.dtype is torch.float32:
            yield part, "weight"
