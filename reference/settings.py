"""Environment variables of operator, planner and extender: docstrings of their settings, and what the chart gives them.

Such a docstring has an entry for each field: ``field`` (VARIABLE, default VALUE): what it means.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from foretide_extender.settings import Settings as ExtenderSettings
from foretide_operator.planner.settings import Settings as PlannerSettings
from foretide_operator.settings import Settings as OperatorSettings
from reference.markdown import code, one_line, table

_HEAD: Final = """\
# Settings of the processes

Made from the code and the chart by `make references`. Each process reads its environment once, and ends with the
variable's name and exit status 2 where a value cannot be used. In a cluster the chart sets them: change the
[value](values.md) that stands under *Chart*, not the variable.
"""
TEMPLATES: Final = Path("charts") / "foretide" / "templates"
PROCESSES: Final = {
    "operator": (OperatorSettings, "operator/_environment.tpl"),
    "planner": (PlannerSettings, "operator/deployment.yaml"),
    "extender": (ExtenderSettings, "extender/_container.tpl"),
}
"""The settings of each process, and the template that sets them."""

_ENTRY: Final = re.compile(r"``\w+`` \((?P<head>FORETIDE_[^)]*)\): (?P<meaning>.*?)(?= ``\w+`` \(FORETIDE_|$)")
_VARIABLE: Final = re.compile(r"FORETIDE_[A-Z_]+")
_VALUE: Final = re.compile(r"Values\.([A-Za-z.]*[A-Za-z])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: the variables that it is read from, what its default and its bounds are, and what it means."""

    variables: tuple[str, ...]
    default: str
    meaning: str


def page(root: Path) -> str:
    """The page's text."""
    parts = [_HEAD.strip()]
    for process, (settings, template) in PROCESSES.items():
        text = (root / TEMPLATES / template).read_text(encoding="utf-8")
        rows = [
            [
                ", ".join(map(code, each.variables)),
                each.default,
                ", ".join(dict.fromkeys(told for name in each.variables for told in _in_chart(root, text, name))),
                each.meaning,
            ]
            for each in entries(settings)
        ]
        parts += [f"## {process.capitalize()}", table(["Variable", "Default", "Chart", "Meaning"], rows)]
    return "\n\n".join(parts) + "\n"


def entries(settings: type) -> list[Entry]:
    """The entries in the docstring of a process's settings."""
    return [
        Entry(
            tuple(_VARIABLE.findall(each["head"])),
            _VARIABLE.sub("", each["head"]).strip(" ,").removeprefix("default ").replace("``", "`"),
            each["meaning"].replace("``", "`"),
        )
        for each in _ENTRY.finditer(one_line(inspect.getdoc(settings) or ""))
    ]


def _in_chart(root: Path, template: str, variable: str) -> Iterator[str]:
    """The chart's values that a variable is made of; without any what the template says."""
    found = re.search(rf"- name: {variable}\n +(?:value: (?P<value>.*)|valueFrom:)", template)
    if found is None:
        return
    if found["value"] is None:
        yield "(of the Pod)"
    elif values := _VALUE.findall(_expanded(root, template, found["value"])):
        yield from map(code, values)
    else:
        yield "(of the release)" if "{{" in found["value"] else code(found["value"].strip('"'))


def _expanded(root: Path, template: str, expression: str) -> str:
    """An expression with the variables and the named templates that it uses in their places."""
    for name in re.findall(r"\$(\w+)", expression):
        expression += "".join(re.findall(rf"\${name} := (.*?)-?}}}}", template))
    helpers = (root / TEMPLATES / "_helpers.tpl").read_text(encoding="utf-8")
    for name in re.findall(r'include "([\w.]+)"', expression):
        defined = re.search(rf'define "{re.escape(name)}" -?}}}}(.*?)\n{{{{-? end }}}}', helpers, re.DOTALL)
        expression += defined[1] if defined else ""
    return expression
