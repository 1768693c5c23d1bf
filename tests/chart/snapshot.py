"""What the chart renders, kept to be read in a review: the default whole, other values by what they change in it.

`python -m tests.chart.snapshot` writes them anew. Left out are the definitions, which are copies, the labels that all
objects have, and the chart's version, which would make every release one long difference.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.chart.rendering import CHART, NAMESPACE, Object, Rendered, render

SNAPSHOTS = Path(__file__).with_name("snapshots")
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]"
CASES: dict[str, tuple[str, ...]] = {
    "default": (),
    "external": ("scheduler.mode=external", "scheduler.external.tlsSecret=foretide-tls"),
    "none": ("scheduler.mode=none",),
    "several": ("scheduler.replicas=3",),
    "closed": (
        "networkPolicy.enabled=true",
        "networkPolicy.from[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=monitoring",
    ),
    "namespaced": ("watchNamespaces={team-a,team-b}",),
    "pinned": (
        "image.registry=registry.example:5000/edge",
        "image.tag=1.2.3",
        "image.pullSecrets[0].name=registry-key",
        *(f"image.digests.{each}={DIGEST}" for each in ("operator", "extender", "profilerOnnx", "profilerTorch")),
        "scheduler.image.repository=registry.example:5000/kube-scheduler",
        "scheduler.image.tag=v1.36.2",
        f"scheduler.image.digest={DIGEST}",
    ),
    "placed": (
        "operator.priorityClassName=system-cluster-critical",
        "operator.nodeSelector.kubernetes\\.io/arch=arm64",
        "operator.tolerations[0].key=node-role.kubernetes.io/control-plane",
        "operator.tolerations[0].operator=Exists",
        f"scheduler.affinity.nodeAffinity.{_REQUIRED}.key=node-role.kubernetes.io/control-plane",
        f"scheduler.affinity.nodeAffinity.{_REQUIRED}.operator=Exists",
    ),
}
"""By name, values as arguments of ``--set``."""
COMMON_LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
"""Of every object: left out of the snapshots."""


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _text)


def snapshot(name: str, program: str = "helm") -> str:
    """What stands in the file of that name, as the chart renders now."""
    default, rendered = (_by_name(render(*values, program=program)) for values in ((), CASES[name]))
    return "".join(_changes(default, rendered) if CASES[name] else _whole(rendered))


def file_of(name: str) -> Path:
    return SNAPSHOTS / f"{name}.{'diff' if CASES[name] else 'yaml'}"


def _by_name(rendered: Rendered) -> dict[str, list[str]]:
    """The lines of each object, by its kind and name."""
    return {
        " ".join((kind, namespace, name)) if namespace not in {"", NAMESPACE} else f"{kind} {name}": _lines(one)
        for (kind, name, namespace), one in sorted(rendered.all.items())
        if kind != "CustomResourceDefinition"
    }


def _lines(one: Object) -> list[str]:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    for labelled in (one, one.get("spec", {}).get("template", {})):
        labels = labelled.get("metadata", {}).get("labels", {})
        for each in COMMON_LABELS & labels.keys():
            del labels[each]
    dumped = yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=120, default_flow_style=None)
    return dumped.replace(version, "VERSION").splitlines(keepends=True)


def _whole(objects: dict[str, list[str]]) -> Iterator[str]:
    for lines in objects.values():
        yield "---\n"
        yield from lines


def _changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> Iterator[str]:
    """Objects that are gone by name, new ones whole, others by their changed lines with three around."""
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"- {name}\n"
        elif name not in before:
            yield f"+ {name}\n"
            yield from (f"+   {line}" for line in after[name])
        elif before[name] != after[name]:
            yield f"  {name}\n"
            hunks = list(difflib.unified_diff(before[name], after[name]))[2:]
            yield from ("  ...\n" if line.startswith("@@") else f"{line[0]}   {line[1:]}" for line in hunks)


if __name__ == "__main__":
    for _name in CASES:
        file_of(_name).write_text(snapshot(_name))
