"""Renders the chart with helm, as objects to look into."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from devcluster import binaries

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "foretide"
NAMESPACE = "foretide-system"


class HelmError(Exception):
    """Helm refused; the message is what it wrote to stderr."""


@cache
def helm_program(name: str) -> Path:
    return binaries.ensure([name], lambda _line: None)[name]


def helm(*arguments: str, program: str = "helm") -> str:
    done = subprocess.run([helm_program(program), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HelmError(done.stderr)
    return done.stdout


@cache
def rendered_text(*values: str, version: str = "1.36.2", files: tuple[Path, ...] = (), program: str = "helm") -> str:
    """The chart as YAML; each of ``values`` is an argument of ``--set``."""
    words = ["template", "foretide", str(CHART), "--namespace", NAMESPACE, "--kube-version", version]
    for value in values:
        words += ["--set", value]
    for file in files:
        words += ["--values", str(file)]
    return helm(*words, program=program)


class Rendered:
    """The objects of a rendering, by kind and name; in ``all`` also those of one name in several namespaces."""

    def __init__(self, text: str) -> None:
        objects: list[Object] = [one for one in yaml.safe_load_all(text) if one]
        self.all = {
            (one["kind"], one["metadata"]["name"], one["metadata"].get("namespace", "")): one for one in objects
        }
        assert len(self.all) == len(objects), "two objects of one kind, name and namespace"
        self.objects = {(kind, name): one for (kind, name, _), one in self.all.items()}

    def __getitem__(self, key: tuple[str, str]) -> Object:
        return self.objects[key]

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self.objects

    def bindings(self) -> list[tuple[tuple[str, str, str], Object]]:
        """All bindings of roles, by kind, name and namespace."""
        return [(key, one) for key, one in self.all.items() if key[0].endswith("RoleBinding")]

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.objects}

    def pod(self, deployment: str) -> Object:
        spec: Object = self["Deployment", deployment]["spec"]["template"]["spec"]
        return spec

    def container(self, deployment: str, name: str) -> Object:
        return next(one for one in self.pod(deployment)["containers"] if one["name"] == name)

    def environment(self, deployment: str, name: str) -> dict[str, str]:
        """Variables with their values; where the Pod itself gives the value, the path of its field."""
        variables = self.container(deployment, name)["env"]
        return {
            one["name"]: one["value"] if "value" in one else one["valueFrom"]["fieldRef"]["fieldPath"]
            for one in variables
        }

    def scheduler_configuration(self) -> Object:
        configuration: Object = yaml.safe_load(self["ConfigMap", "foretide-scheduler"]["data"]["scheduler.yaml"])
        return configuration


def render(*values: str, version: str = "1.36.2", files: tuple[Path, ...] = (), program: str = "helm") -> Rendered:
    return Rendered(rendered_text(*values, version=version, files=files, program=program))


def installation_notes(*values: str, version: str = "1.36.2") -> str:
    """What helm says after an installation, which it tells no one without a cluster: rendered as part of an object."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "foretide"
        shutil.copytree(CHART, copy)
        (copy / "templates/NOTES.txt").rename(copy / "notes")
        (copy / "templates/notes.yaml").write_text(
            "kind: Notes\nmetadata: {name: notes}\ntext: {{ tpl (.Files.Get `notes`) . | toJson }}\n"
        )
        words = ["template", "foretide", str(copy), "--namespace", NAMESPACE, "--kube-version", version]
        for value in values:
            words += ["--set", value]
        text: str = Rendered(helm(*words))["Notes", "notes"]["text"]
        return text


def external_configuration(notes: str, distribution: str = "kubeadm") -> Object:
    """The configuration of kube-scheduler that the notes tell in external mode for one kind of control plane."""
    lines = notes.partition(f"\n   {distribution}: ")[2].splitlines()
    head = next(at for at, line in enumerate(lines) if line.endswith("/scheduler.yaml:"))
    configuration: Object = yaml.safe_load("\n".join(indented(lines[head + 1 :])))
    return configuration


def indented(lines: list[str]) -> list[str]:
    """The first of the lines, as long as they stand further in than what is around them."""
    return list(itertools.takewhile(lambda line: line.startswith("     "), lines))
