"""Predictions for one workload out of all that is known of it, of its node classes, and of others like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from foretide.contention import Coefficients
from foretide.memory import Memories
from foretide.observation import DeviceFeatures, Observation, Question, Runtime, of_present_hardware
from foretide.prediction import Measured, Prediction, Predictor, predict_workload
from foretide.runs import Runs
from foretide.signature import Signature
from foretide.startup import Startups
from foretide_kube.kinds.aiworkload import AIWorkloadSpec, cpu_millis
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_operator.workload.facts import Facts


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What predictions are made of, apart from the workload's own profiles; replaced, never changed."""

    predictor: Predictor | None = None
    model_version: str = ""
    devices: Mapping[str, DeviceFeatures] = field(default_factory=dict)
    startups: Startups = field(default_factory=lambda: Startups((), {}))
    memories: Memories = field(default_factory=lambda: Memories(()))
    runs: Runs = field(default_factory=lambda: Runs((), {}))
    coefficients: Coefficients = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        observations: Iterable[Observation],
        devices: Mapping[str, DeviceFeatures],
        predictor: Predictor | None,
        model_version: str,
        coefficients: Coefficients,
    ) -> Knowledge:
        """What follows from the rows of the training table and the probes.

        Of a class whose hardware has changed, times of the old one tell nothing; what a workload holds they still do.
        """
        rows = list(observations)
        present = of_present_hardware(rows, devices)
        return cls(
            predictor=predictor,
            model_version=model_version,
            devices=devices,
            startups=Startups(present, devices),
            memories=Memories(rows),
            runs=Runs(present, coefficients),
            coefficients=coefficients,
        )

    def predict(self, facts: Facts, signature: Signature) -> list[Prediction]:
        """One prediction per selected class that has nodes."""
        spec, metadata = facts.workload.spec, facts.workload.metadata
        questions = [
            Question(
                workload=workload_column(metadata.namespace, metadata.name, facts.key),
                node_class=members.name,
                signature=signature,
                precision=spec.precision,
                cpu_millis=cpu_millis(spec),
                runtime=runtime_of(spec),
            )
            for members in facts.classes
            if members.members
        ]
        return predict_workload(
            questions,
            measured={profile.spec.node_class: measured_of(profile) for profile in facts.profiles},
            predictor=self.predictor,
            model_version=self.model_version,
            devices=self.devices,
            startups=self.startups,
            memories=self.memories,
            runs=self.runs,
            coefficients=self.coefficients,
            inferences=spec.inferences_at_a_time,
        )


def workload_column(namespace: str, name: str, key: str) -> str:
    """How the training table names a workload."""
    return f"{namespace}/{name}/{key}"


def runtime_of(spec: AIWorkloadSpec) -> Runtime:
    """What runs it."""
    return "onnx" if spec.model.source == "ONNX" else "torch"


def measured_of(profile: WorkloadProfile) -> Measured:
    """The times of a profile as predictions are made of them."""
    measurement = profile.spec.measurement
    times = measurement.inference_microseconds
    return Measured(
        samples=measurement.samples,
        mean_microseconds=times.mean,
        median_microseconds=times.median,
        interquartile_range_microseconds=times.interquartile_range,
        p90_microseconds=times.p90,
        stable=measurement.stable,
        measured_time=profile.spec.measured_time,
    )
