"""The model's parts together, as the artefact keeps them."""

from __future__ import annotations

from foretide.model.deviations import Deviations
from foretide.model.features import State
from foretide.model.intervals import Intervals
from foretide.model.residual import Residual
from foretide.model.roofline import Roofline
from foretide.model.transfer import Transfer


class Parts(State, frozen=True, kw_only=True):
    """What was learned, and the families that it was learned on."""

    roofline: Roofline
    residual: Residual
    deviations: Deviations
    transfer: Transfer
    intervals: Intervals
    families: list[str]
