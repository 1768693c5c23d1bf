"""The completion-time model: seconds per inference of a workload on a node class, and how sure that is.

`CompletionTimeModel` (the trainer, a scikit-learn estimator) is loaded only when asked for, so that a process that
predicts alone imports neither scikit-learn nor xgboost: it takes `foretide.model.predictor.CompletionTimePredictor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foretide.model.estimator import CompletionTimeModel

__all__ = ["CompletionTimeModel"]


def __getattr__(name: str) -> type[CompletionTimeModel]:
    if name != "CompletionTimeModel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from foretide.model.estimator import CompletionTimeModel  # noqa: PLC0415  what a trainer needs alone

    return CompletionTimeModel
