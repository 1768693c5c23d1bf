"""Which models are measured, how, and in which order: the same for every node class, from one seed.

A *setting* is a network at a batch size, a precision and a CPU limit. The *grid* is measured on every class: seven
networks of each kind and eight of torchvision, with batches of one, in fp32, on one CPU. Then come varied settings,
the kinds by turns, so that any beginning of the list is a fair sample of it; then other CPU limits; then some of the
same again, to tell how well a measurement repeats.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain, islice, product
from typing import Final, NamedTuple

from bench.measure.networks import MODEL_TYPES, Network
from devcluster.spec import NodeClass
from foretide.observation import Runtime
from foretide.signature import Signature

SEED: Final = 8
GRID_PER_TYPE: Final = 7
VARIED: Final = 520
OTHER_LIMITS: Final = {500: 30, 2000: 120}
"""CPU limits (thousandths) besides 1000 and how many settings take them, where 2000 gives a second thread."""
REPEATED_SHARE: Final = 0.03
SLOWEST_SECONDS: Final = 0.75
"""No inference is measured that is expected to take longer."""

_SIZES: Final[dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]] = {
    "mlp": ((256, 512, 1024, 1536), (2, 4, 8), (256, 784, 3072)),
    "cnn": ((8, 16, 24, 32), (1, 2, 3), (48, 64, 96)),
    "resnet": ((16, 32, 48), (1, 2, 3), (64, 96, 128, 160)),
    "mobilenet": ((8, 16, 24, 32), (1, 2, 3), (96, 128, 160, 224)),
    "lstm": ((64, 128, 192, 256), (1, 2, 3), (16, 32, 64, 128)),
    "gru": ((64, 128, 192, 256), (1, 2, 3), (16, 32, 64, 128)),
    "encoder": ((64, 128, 192, 256), (2, 4, 6), (32, 64, 128)),
    "mixer": ((64, 128, 192, 256), (2, 4, 8), (96, 128, 160, 192)),
}
"""Widths, depths and resolutions of each kind."""

_TORCHVISION: Final[dict[str, tuple[int, int]]] = {
    "mobilenet_v2": (32, 52),
    "mobilenet_v3_small": (16, 52),
    "mnasnet0_5": (16, 52),
    "resnet18": (64, 17),
    "shufflenet_v2_x0_5": (24, 56),
    "shufflenet_v2_x1_0": (24, 56),
    "squeezenet1_1": (64, 26),
}
"""Models by name, each with its stem's width and how many convolutions it has."""
_TORCHVISION_RESOLUTIONS: Final = (64, 96, 128, 160)
_TORCHVISION_GRID: Final = (
    ("mobilenet_v2", 96), ("mobilenet_v3_small", 128), ("mobilenet_v3_small", 160), ("mnasnet0_5", 128),
    ("resnet18", 64), ("shufflenet_v2_x0_5", 160), ("shufflenet_v2_x1_0", 96), ("squeezenet1_1", 96),
)  # fmt: skip
_INT8_TYPES: Final = ("mlp", "lstm", "encoder", "mixer")
"""Kinds whose products with constants onnxruntime computes in int8."""
_VARIANTS: Final = (*((batch, "fp32") for batch in (1, 2, 4, 8, 16)), (1, "int8"), (4, "int8"))
_TORCHVISION_VARIANTS: Final = ((1, "fp32"), (2, "fp32"), (4, "fp32"), (1, "bf16"))


class Setting(NamedTuple):
    """A network as it is run."""

    network: Network
    batch_size: int
    precision: str
    cpu_millis: int

    @property
    def name(self) -> str:
        """Tells it from all others."""
        return f"{self.network.name}-b{self.batch_size}-{self.precision}-c{self.cpu_millis}"

    @property
    def runtime(self) -> Runtime:
        """What performs it."""
        return "onnx" if self.network.model_type in MODEL_TYPES else "torch"

    def at_limit(self, cpu_millis: int) -> Setting:
        """The same under another CPU limit."""
        return self._replace(cpu_millis=cpu_millis)


class Measurement(NamedTuple):
    """One row to be: a setting on an occasion (0 is the first), and whether it belongs to the grid."""

    setting: Setting
    repeat: int
    is_grid: bool

    @property
    def key(self) -> str:
        """Tells it from all others of its node class."""
        return f"{self.setting.name}#{self.repeat}"


def plan(node_class: NodeClass, *, varied: int = VARIED) -> list[Measurement]:
    """What is measured on a class, in order, before what cannot be is left out (`why_not`)."""
    grid, others = _grid(), list(islice(_varied(), varied))
    once = [Measurement(setting, 0, is_grid=True) for setting in grid]
    once += [Measurement(setting, 0, is_grid=False) for setting in others]
    if node_class.cpus * node_class.speed > 1:
        for millis, count in OTHER_LIMITS.items():
            once += [Measurement(each.at_limit(millis), 0, is_grid=False) for each in (*grid, *others)[:count]]
    chosen = random.Random(f"{SEED} {node_class.name}").sample(once, round(REPEATED_SHARE * len(once)))
    return once + [each._replace(repeat=1, is_grid=False) for each in chosen]


def why_not(setting: Setting, signature: Signature, node_class: NodeClass) -> str:
    """Why a class is not asked for a setting: `TooSlow` or `TooLarge`; empty if it is."""
    if whole_core_seconds(setting, signature, node_class) > SLOWEST_SECONDS * node_class.speed:
        return "TooSlow"
    runtime_bytes = {"onnx": 150, "torch": 420}[setting.runtime] << 20
    need = runtime_bytes + 3.5 * signature.parameter_bytes + 2 * signature.peak_activation_bytes
    return "TooLarge" if need > limit_mib(node_class) << 20 else ""


def limit_mib(node_class: NodeClass) -> int:
    """The memory limit of a measuring Pod: the class's, less what a node keeps for itself."""
    return node_class.memory_mib - 160


def whole_core_seconds(setting: Setting, signature: Signature, node_class: NodeClass) -> float:
    """About what one inference takes on one whole CPU of a server of the year 2019, rather too long than too short."""
    depthwise, dense = (
        signature.by_kind[kind].macs if kind in signature.by_kind else 0
        for kind in ("depthwiseConvolution", "denseConvolution")
    )
    products = signature.macs - depthwise - dense
    seconds = dense / 20e9 + depthwise / 3e9 + products / 8e9
    seconds += signature.parameter_bytes / 8e9 + signature.activation_bytes / 3e9 + signature.operator_count * 5e-6
    seconds *= {"sse42": 3.0, "avx2": 1.5}.get(node_class.environment.get("OLDER_PROCESSOR", ""), 1.0)
    if setting.runtime == "torch":
        seconds *= 6.0 if setting.precision == "bf16" else 1.5
    return seconds


def torchvision_networks() -> list[Network]:
    """All that are measured by torch."""
    return [Network(name, *_TORCHVISION[name], size) for name, size in product(_TORCHVISION, _TORCHVISION_RESOLUTIONS)]


def _grid() -> list[Setting]:
    networks = [network for kind in MODEL_TYPES for network in _networks(kind)[:GRID_PER_TYPE]]
    networks += [Network(name, *_TORCHVISION[name], size) for name, size in _TORCHVISION_GRID]
    random.Random(SEED).shuffle(networks)
    return [Setting(network, 1, "fp32", 1000) for network in networks]


def _networks(model_type: str) -> list[Network]:
    """All of a kind, in the order in which they are drawn."""
    found = [Network(model_type, *sizes) for sizes in product(*_SIZES[model_type])]
    random.Random(f"{SEED} {model_type}").shuffle(found)
    return found


def _varied() -> Iterator[Setting]:
    """Settings that are not of the grid, the kinds by turns and torch's as one of them."""
    taken = set(_grid())
    lists = []
    for kind in MODEL_TYPES:
        variants = [each for each in _VARIANTS if each[1] == "fp32" or kind in _INT8_TYPES]
        lists.append([Setting(network, *each, 1000) for network, each in product(_networks(kind), variants)])
    lists.append(
        [Setting(network, *each, 1000) for network, each in product(torchvision_networks(), _TORCHVISION_VARIANTS)]
    )
    for number, settings in enumerate(lists):
        random.Random(f"{SEED} varied {number}").shuffle(settings)
    by_turns = chain.from_iterable(zip(*lists, strict=False))
    return (setting for setting in by_turns if setting not in taken)
