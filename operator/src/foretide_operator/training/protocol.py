"""What operator and training process say to each other."""

from __future__ import annotations

import msgspec

from foretide.contention import Contention
from foretide.observation import DeviceFeatures, Observation


class TrainingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The training table and what is known of the node classes in it."""

    observations: tuple[Observation, ...]
    devices: dict[str, DeviceFeatures]


class ClassReport(msgspec.Struct, frozen=True, kw_only=True):
    """Held-out errors on one node class, in thousandths, and what tasks do to each other there."""

    node_class: str
    observations: int
    error_permille: int | None = None
    coverage_permille: int | None = None
    contention: tuple[Contention, ...] = ()


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the fit went; held-out errors in thousandths, None where there were too few rows to hold any out."""

    observations: int
    median_absolute_permille: int | None = None
    mean_absolute_permille: int | None = None
    coverage_permille: int | None = None
    classes: tuple[ClassReport, ...] = ()
