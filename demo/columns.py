"""The schedulers that are compared, one column of the demo's figures each, and in which order a round runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from foretide_kube.names import SCHEDULER_NAME


@dataclass(frozen=True, slots=True)
class Column:
    """A way to place tasks: ``is_gated`` tasks wait behind our gate for the planner."""

    label: str
    scheduler_name: str
    is_gated: bool = False

    @property
    def slug(self) -> str:
        """The label as it may stand in names of Kubernetes objects."""
        return self.label.replace("_", "-")


DEFAULT: Final = Column("default", "default-scheduler")
PER_POD: Final = Column("per_pod", SCHEDULER_NAME)
FORETIDE: Final = Column("foretide", SCHEDULER_NAME, is_gated=True)
HINDSIGHT: Final = "hindsight"
"""The fourth column, which is reckoned and not run: the plan with the times that really occurred."""

COLUMNS: Final = (DEFAULT, PER_POD, FORETIDE)


def rotated(columns: Sequence[Column], round_number: int) -> tuple[Column, ...]:
    """The order of round ``round_number`` (from 0): each goes first once in as many rounds as there are columns."""
    first = round_number % len(columns)
    return (*columns[first:], *columns[:first])
