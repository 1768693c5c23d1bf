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
    """How the operator runs.

    ``namespace`` (FORETIDE_NAMESPACE, required): the operator's own, for ConfigMaps and probe Jobs.
    ``scheduler_name`` (FORETIDE_SCHEDULER_NAME, default empty): ``schedulerName`` of the Pods that inspect and run.
    Empty means the cluster's default scheduler.
    ``image_onnx`` (FORETIDE_PROFILER_IMAGE_ONNX, required): the profiler for ONNX files and for probes.
    ``image_torch`` (FORETIDE_PROFILER_IMAGE_TORCH, required): the profiler for torchvision's models and torch.export.
    ``external_scheduler`` (FORETIDE_EXTERNAL_SCHEDULER, default ``false``): whether the default scheduler asks our
    extender. Pods that inspect and run then request ``foretide.dev/task: 1``.
    ``gates`` (FORETIDE_GATES, default ``true``): whether tasks of run Jobs wait for the plan; only with our scheduler
    or one that asks our extender. Jobs that exist keep what they were made with.
    ``image_pull_policy`` (FORETIDE_IMAGE_PULL_POLICY, default ``IfNotPresent``): of the profiler's images.
    ``profile_max_seconds`` (FORETIDE_PROFILE_MAX_SECONDS, default 30): the longest that one measurement lasts.
    ``profile_min_samples`` (FORETIDE_PROFILE_MIN_SAMPLES, default 64): a measurement ends when it has so many
    inferences and has lasted for its least time.
    ``profile_min_seconds`` (FORETIDE_PROFILE_MIN_SECONDS, default 5): the least time of a measurement.
    ``profiles_per_class`` (FORETIDE_PROFILES_PER_CLASS, default 1): measurements at once on a node class, probes
    included.
    ``profile_budget_seconds`` (FORETIDE_PROFILE_BUDGET_SECONDS, default 3600): node seconds that the measurements of a
    class may take in any 24 hours, probes not included.
    ``probe_max_seconds`` (FORETIDE_PROBE_MAX_SECONDS, default 20): the longest that a probe lasts.
    ``job_deadline_seconds`` (FORETIDE_JOB_DEADLINE_SECONDS, default 600): the longest that a Job which inspects,
    profiles or probes may take, pulling and waiting included.
    ``log_level`` (FORETIDE_LOG_LEVEL, default ``INFO``): DEBUG, INFO, WARNING or ERROR.
    ``watch_namespaces`` (FORETIDE_WATCH_NAMESPACES, default empty): the namespaces that are watched, its own among
    them, separated by commas. Empty means all.
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
