"""What the chart tells the operator, read once from the environment into one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from foretide_kube.watched import watched_namespaces

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
TRUTHS: Final = ("true", "false")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(ValueError):
    """An environment variable that cannot be used; the message names it, its value and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Configuration of the operator; one field per environment variable of docs/operator.md.

    ``scheduler_name`` empty means the cluster's default scheduler, and with ``external_scheduler`` that one asks our
    extender about the Pods marked for it. ``gates`` says whether the tasks of run Jobs wait behind the planner's gate,
    where either places them. ``profile_*`` and ``probe_max_seconds`` are handed to the profiler;
    ``job_deadline_seconds`` bounds every inspect, profile and probe Job from outside.
    ``profile_budget_seconds`` of node time a day are spent on the measurements of a node class. ``watch_namespaces``
    are all that is looked at of what lies in namespaces, the operator's own among them; none means all.
    """

    namespace: str
    scheduler_name: str
    image_onnx: str
    image_torch: str
    external_scheduler: bool = False
    gates: bool = True
    image_pull_policy: str = "IfNotPresent"
    profile_max_seconds: int = 30
    profile_min_samples: int = 64
    profile_min_seconds: int = 5
    profiles_per_class: int = 1
    profile_budget_seconds: int = 3600
    probe_max_seconds: int = 20
    job_deadline_seconds: int = 600
    log_level: str = "INFO"
    watch_namespaces: tuple[str, ...] = ()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in ``environment``; SettingsError names the variable that is missing or unusable."""
    return Settings(
        namespace=_text(environment, "FORETIDE_NAMESPACE"),
        scheduler_name=environment.get("FORETIDE_SCHEDULER_NAME", ""),
        external_scheduler=_one_of(environment, "FORETIDE_EXTERNAL_SCHEDULER", "false", TRUTHS) == "true",
        gates=_one_of(environment, "FORETIDE_GATES", "true", TRUTHS) == "true",
        image_onnx=_text(environment, "FORETIDE_PROFILER_IMAGE_ONNX"),
        image_torch=_text(environment, "FORETIDE_PROFILER_IMAGE_TORCH"),
        image_pull_policy=_one_of(environment, "FORETIDE_IMAGE_PULL_POLICY", "IfNotPresent", PULL_POLICIES),
        profile_max_seconds=_number(environment, "FORETIDE_PROFILE_MAX_SECONDS", 30),
        profile_min_samples=_number(environment, "FORETIDE_PROFILE_MIN_SAMPLES", 64),
        profile_min_seconds=_number(environment, "FORETIDE_PROFILE_MIN_SECONDS", 5),
        profiles_per_class=_number(environment, "FORETIDE_PROFILES_PER_CLASS", 1),
        profile_budget_seconds=_number(environment, "FORETIDE_PROFILE_BUDGET_SECONDS", 3600),
        probe_max_seconds=_number(environment, "FORETIDE_PROBE_MAX_SECONDS", 20),
        job_deadline_seconds=_number(environment, "FORETIDE_JOB_DEADLINE_SECONDS", 600),
        log_level=_one_of(environment, "FORETIDE_LOG_LEVEL", "INFO", LOG_LEVELS),
        watch_namespaces=watched_namespaces(environment),
    )


def _text(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set; the chart sets it, by hand give it a value")
    return value


def _one_of(environment: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = environment.get(name, default)
    if value not in allowed:
        raise SettingsError(f"{name} is {value!r}; it takes one of {', '.join(allowed)}")
    return value


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise SettingsError(f"{name} is {text!r}; it takes a whole number from 1 to 1000000")
    return int(text)
