"""The pages of docs/reference say what the code says now, and all of it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from foretide_cli.__main__ import command_line
from foretide_extender.settings import Settings as ExtenderSettings
from foretide_kube import watched
from foretide_operator.planner.settings import Settings as PlannerSettings
from foretide_operator.settings import read_settings
from reference import __main__ as reference
from reference import commands, kinds, settings

OPERATOR = {
    "FORETIDE_NAMESPACE": "foretide-system",
    "FORETIDE_PROFILER_IMAGE_ONNX": "profiler:1-onnx",
    "FORETIDE_PROFILER_IMAGE_TORCH": "profiler:1-torch",
}
READERS: dict[str, tuple[Callable[[Mapping[str, str]], Any], dict[str, str]]] = {
    "operator": (read_settings, OPERATOR),
    "planner": (PlannerSettings.read, {"FORETIDE_NAMESPACE": "foretide-system"}),
    "extender": (ExtenderSettings.read, {}),
}


def test_every_page_in_the_repository_is_what_the_code_says() -> None:
    assert reference.main(["--check"]) == 0


def test_a_page_that_is_stale_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(reference, "PAGES", {"one.md": lambda _root: "new\n", "two.md": lambda _root: "same\n"})
    (tmp_path / "one.md").write_text("old\n")
    (tmp_path / "two.md").write_text("same\n")
    assert reference.main(["--check"]) == 1
    assert capsys.readouterr().err == "one.md is not what the code says; run make references\n"
    assert reference.main([]) == 0
    assert (tmp_path / "one.md").read_text() == "new\n"


@pytest.mark.parametrize("process", READERS)
def test_every_variable_that_a_process_reads_has_its_entry(process: str) -> None:
    kind, _ = settings.PROCESSES[process]
    module = Path(__import__(kind.__module__, fromlist=["Settings"]).__file__ or "")
    told = {name for entry in settings.entries(kind) for name in entry.variables}
    text = module.read_text()
    read = set(re.findall(r'"(FORETIDE_[A-Z_]+)"', text))
    assert told == read | ({watched.VARIABLE} if "watched_namespaces(" in text else set())


@pytest.mark.parametrize("process", READERS)
def test_defaults_are_told_as_they_are(process: str) -> None:
    read, required = READERS[process]
    kind, _ = settings.PROCESSES[process]
    told = {}
    for entry in settings.entries(kind):
        default = entry.default.split(",")[0].strip("`")
        if default == "required":
            assert entry.variables[0] in required
        elif default != "empty" and not default.startswith("none"):
            (variable,) = entry.variables
            told[variable] = default
    assert read({**required, **told}) == read(required)


def test_every_command_and_option_stands_on_its_page() -> None:
    page = commands.page(reference.ROOT)
    parser = command_line("foretide")
    (below,) = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    for name, command in below.choices.items():
        section = page.split(f"\n## foretide {name}\n")[1].split("\n## ")[0]
        for option in command._option_string_actions:
            assert option in {"-h", "--help"} or f"`{option}`" in section


def test_every_field_of_a_kind_stands_on_its_page() -> None:
    page = kinds.page(reference.ROOT)
    for path in (reference.ROOT / "crds").glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())["spec"]
        schema = definition["versions"][0]["schema"]["openAPIV3Schema"]
        section = page.split(f"\n## {definition['names']['kind']}\n")[1].split("\n## ")[0]
        names = {name for part in ("spec", "status") for name in _names(schema["properties"][part])}
        assert {name for name in names if f"{name}`" not in section} == set()


def _names(schema: Mapping[str, Any]) -> set[str]:
    """Names of all fields, at whatever depth, found by another walk than the page's."""
    found = set(schema.get("properties", {}))
    for value in schema.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                found |= _names(each)
    return found


def test_a_field_that_cannot_change_and_what_it_holds_are_fixed() -> None:
    rows = {line.split("`")[1]: line for line in kinds.page(reference.ROOT).splitlines() if line.startswith("| `")}
    assert "| string, fixed |" in rows["spec.model.file.sha256"]
    assert "| boolean |" in rows["spec.suspend"]
