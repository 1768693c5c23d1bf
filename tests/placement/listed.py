"""List scheduling, which the plan is in order of arrival: each where it ends first, given those before it."""

from __future__ import annotations

from functools import partial

from foretide.placement.together import plan_together

plan = partial(plan_together, order="Arrival")
