"""What is known when the model is looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from foretide_kube.client import Object
from foretide_kube.kinds.completiontimemodel import CompletionTimeModel, Version
from foretide_kube.times import parse_time
from foretide_operator.training.trainer import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about the model.

    ``rows``, of so many ``classes``, and ``digest`` describe what a training would be made from;
    ``observed_milliseconds`` are the times of its rows in ascending order; ``measured_milliseconds`` is that of the
    newest profile in the table, None if there is none; ``quiet_seconds`` is how long the table has not changed.
    ``trained_digest`` is the digest that the last training of this process was made from, empty if there was none;
    ``failures`` is how often in a row trainings from that digest failed, 0 if the last did not, and
    ``seconds_since_failure`` how long ago that was, infinite if it did not.
    ``outcome`` is a training that ended since the last look, and ``training_began`` when the last one began: what was
    observed later it has not seen. ``defects`` are versions that could not be loaded, with
    reason and message. ``config_maps`` are the operator's own, by name.
    """

    model: CompletionTimeModel
    rows: int
    digest: str
    observed_milliseconds: Sequence[int]
    measured_milliseconds: int | None
    classes: int
    quiet_seconds: float
    trained_digest: str
    failures: int
    seconds_since_failure: float
    is_training: bool
    outcome: Outcome | None
    training_began: datetime
    defects: Mapping[str, tuple[str, str]]
    config_maps: Mapping[str, Object]
    namespace: str
    owner: Object | None
    now: datetime

    def rows_since(self, version: Version) -> int:
        """How many rows were observed after a version's training began; all if nobody can read when that was.

        Or if it is still to come: the clock was ahead, and has been put back.
        """
        trained = parse_time(version.trained_time)
        if trained is None or trained > self.now:
            return self.rows
        return self.rows - bisect_right(self.observed_milliseconds, round(trained.timestamp() * 1000))
