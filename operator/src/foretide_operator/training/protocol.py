"""What operator and training process say to each other."""

from __future__ import annotations

import msgspec

from foretide.contention import Contention
from foretide.observation import DeviceFeatures, Observation
from foretide.vetting import Exclusion
from foretide_kube.kinds.completiontimemodel import Trial


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A version that a new one is held against: when its training began, its artefact, and its contention by class."""

    version: str
    trained_milliseconds: int
    artefact: bytes
    contention: dict[str, tuple[Contention, ...]]


class TrainingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The training table and what is known of the node classes in it.

    ``present`` is the version in use and ``proven`` the last that was shown to be not worse than its predecessor, where
    that is another; None where there is none.
    """

    observations: tuple[Observation, ...]
    devices: dict[str, DeviceFeatures]
    present: Reference | None = None
    proven: Reference | None = None


class ClassReport(msgspec.Struct, frozen=True, kw_only=True):
    """Held-out errors on one node class, in thousandths, and what tasks do to each other there."""

    node_class: str
    observations: int
    error_permille: int | None = None
    coverage_permille: int | None = None
    contention: tuple[Contention, ...] = ()


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the fit went; held-out errors in thousandths, None where there were too few rows to hold any out.

    The training was given ``input_rows`` observations of ``input_classes`` node classes; ``observations`` are those
    that were believed, ``exclusions`` say whose others were not. ``trials`` hold the new version against
    `TrainingRequest.present` and ``proven``, and ``present_trial`` the former against the latter.
    """

    observations: int
    input_rows: int = 0
    input_classes: int = 0
    median_absolute_permille: int | None = None
    mean_absolute_permille: int | None = None
    coverage_permille: int | None = None
    classes: tuple[ClassReport, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    trials: tuple[Trial, ...] = ()
    present_trial: Trial | None = None
