"""Commands in documents can be given: the real parsers take them, and what they name is there."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from devcluster.cli import split
from foretide_cli.__main__ import command_line
from foretide_kube import names
from foretide_profiler.arguments import parse
from tests.docs.pages import PAGES, ROOT, code, commands

ALL = [each for page in PAGES for each in commands(page)]
CRDS = [yaml.safe_load(path.read_text())["spec"]["names"] for path in (ROOT / "crds").glob("*.yaml")]
OURS = {name for each in CRDS for name in (each["plural"], each["singular"], *each["shortNames"], *each["categories"])}
KINDS = {
    *OURS,
    *(f"{each['plural']}.{names.GROUP}" for each in CRDS),
    *(
        "crd",
        "configmap",
        "events",
        "node",
        "nodes",
        "ns",
        "namespace",
        "pod",
        "pods",
        "secret",
        "service",
        "svc",
        "job",
        "token",
    ),
    *("clusterrolebinding", "deployment", "jobs", "lease"),
}
"""Kinds that pages may name to kubectl."""
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "charts" / "foretide" / "values.yaml").read_text())
FREE = {"nodeSelector", "resources"}
"""Values that hold whatever keys are put there."""
OTHERS = {"scheduler.extraArgs", "scheduler.extraVolumes"}
"""What looks like a value of the chart, and is of kubeadm's configuration."""


def calls(program: str) -> Iterator[tuple[str, str]]:
    """Place and words of each call of a program, as far as the next pipe, redirection or bracket of the shell."""
    for place, text in ALL:
        for found in re.finditer(rf"(?:^|\(|; |&& )(?:kubectl )?{program} (?=[a-z-])([^>)]*)", text):
            yield place, re.split(r" \| (?![^\[]*\])|;|&&", found[1])[0].strip()


def written_out(call: str) -> list[list[str]]:
    """A call as users would give it: each alternative in turn, what may be left out given, stand-ins for numbers."""
    many = 1 + max((part.count("|") for part in call.split()), default=0)
    out = []
    for turn in range(many):
        chosen = call
        for each in re.findall(r"\[([^\[\]]*)\]", call):
            chosen = chosen.replace(f"[{each}]", _pick(each.split(" | "), turn))
        words = [_pick(word.split("|"), turn) for word in shlex.split(chosen.replace("…", " "))]
        out.append(["10" if word == "N" else word for word in words])
    return out


def _pick(choices: list[str], turn: int) -> str:
    return choices[min(turn, len(choices) - 1)]


def test_every_call_of_foretide_is_one_that_its_parser_takes(capsys: pytest.CaptureFixture[str]) -> None:
    parser = command_line("foretide")
    refused, taken = [], 0
    for place, call in calls("foretide"):
        for words in written_out(call):
            if len(words) == 1 and words[0] in {"predict", "profile", "explain", "export", "import", "simulate"}:
                continue  # the name of a command in a sentence
            try:
                parser.parse_args(words)
                taken += 1
            except SystemExit as end:
                if end.code:
                    refused.append(f"{place}: foretide {call}: {capsys.readouterr().err.splitlines()[-1]}")
    assert refused == []
    assert taken > 40


@pytest.mark.parametrize("call", ["predict workload.yaml", "doctor --output html", "profile", "release -n NS -A"])
def test_a_call_that_the_parser_does_not_take_is_found(call: str) -> None:
    with pytest.raises(SystemExit):
        command_line("foretide").parse_args(written_out(call)[0])


def test_every_module_that_is_to_be_run_is_there() -> None:
    modules = {(place, name) for place, text in ALL for name in re.findall(r"python3? -m ([\w.]+)", text)}
    assert [each for each in modules if importlib.util.find_spec(each[1]) is None] == []


def test_every_call_of_the_profiler_is_one_that_its_parser_takes(capsys: pytest.CaptureFixture[str]) -> None:
    refused = []
    for place, call in calls(r"python -m foretide_profiler"):
        words = re.sub(r"\[.*|\(.*|…", "", call).split()
        if "|" in call or "<" in call or "…" in call or len(words) == 1:
            continue  # a way to say several calls, or the name of one
        try:
            parse(words)
        except SystemExit:
            refused.append(f"{place}: {call}: {capsys.readouterr().err.splitlines()[-1]}")
    assert refused == []


def test_every_kind_that_kubectl_is_asked_for_is_one() -> None:
    unknown = []
    for place, call in calls("kubectl"):
        _, words = split(["kubectl", *call.split()])
        verb, *rest = [word for word in _without_options(words) if word]
        if verb in {"get", "describe", "delete", "explain", "label", "annotate", "create"} and rest:
            kinds = re.split(r"[,/.](?!foretide)", rest[0].split("/")[0])
            unknown += [f"{place}: {call}" for kind in kinds[: 1 if "." in rest[0] else None] if not _is_kind(kind)]
    assert unknown == []


def _without_options(words: list[str]) -> Iterator[str]:
    """Words that are no options; short ones and --namespace take the next word with them."""
    after = False
    for word in words:
        if after:
            after = False
        elif word in {"-n", "-f", "-l", "-o", "--namespace", "--field-selector"}:
            after = True
        elif not word.startswith("-"):
            yield word


def _is_kind(word: str) -> bool:
    return word in KINDS or word.isupper() or not word.isalpha()


def test_every_file_that_a_command_applies_is_there_or_on_the_page() -> None:
    missing = []
    for page in PAGES:
        blocks = [each.text for each in code(page) if each.is_block]
        for place, text in commands(page):
            for file in re.findall(r"(?:kubectl|helm|docker) .*?(?:-f|--values) (\S+)", text):
                on_page = any(
                    re.search(rf"name: {re.escape(file.removesuffix('.yaml'))}$", block, re.MULTILINE)
                    for block in blocks
                )
                told = f"`{file}`" in page.read_text() or file in {"-", "FILE"}
                if not (on_page or told or (ROOT / file).exists()):
                    missing.append(f"{place}: {file}")
    assert missing == []


def test_every_chart_that_helm_is_given_is_there() -> None:
    charts = [(place, word) for place, call in calls("helm") for word in call.split() if word.startswith("charts/")]
    assert charts
    assert [each for each in charts if not (ROOT / each[1] / "Chart.yaml").exists()] == []


def test_every_value_of_the_chart_that_a_page_names_is_one() -> None:
    wrong = []
    for place, text in ALL:
        sets = [pair.partition("=")[0] for given in re.findall(r"--set (\S+)", text) for pair in given.split(",")]
        told = re.fullmatch(rf"((?:{'|'.join(VALUES)})\.[A-Za-z.]*[A-Za-z])(?:[=:] ?\S+)?", text)
        keys = [*sets, *([told[1]] if told and not told[1].endswith((".md", ".yaml", ".py")) else [])]
        wrong += [f"{place}: {key}" for key in keys if key not in OTHERS and not is_value(key.split("."), VALUES)]
    assert wrong == []


def is_value(path: list[str], values: Any) -> bool:
    """Whether there is a value of this path in the chart."""
    if not path or FREE & set(path[:-1]):
        return True
    return isinstance(values, dict) and path[0] in values and is_value(path[1:], values[path[0]])
