"""The model's parts together, as the artefact keeps them."""

from __future__ import annotations

from foretide.model.base import AnalyticBase
from foretide.model.effects import Effects
from foretide.model.features import State
from foretide.model.intervals import Intervals
from foretide.model.residual import Residual


class Parts(State, frozen=True, kw_only=True):
    """What was learned, and the families that it was learned on."""

    base: AnalyticBase
    effects: Effects
    residual: Residual
    intervals: Intervals
    families: list[str]
