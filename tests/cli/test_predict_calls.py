"""How `foretide predict` is called wrongly, and what it says then."""

from __future__ import annotations

from pathlib import Path

import pytest

from foretide_cli.__main__ import main
from tests.cli.small_cluster import MANIFEST


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


def asked(text: str, tmp_path: Path, *words: str) -> int:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return main(["predict", "-f", str(file), *words])


def test_a_manifest_that_cannot_be_used_is_told_before_any_cluster_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(MANIFEST.replace("inferences: 100", "inferences: many"), tmp_path) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"foretide: {tmp_path}/mine.yaml: AIWorkload team/mine: spec.inferences: ")
    assert "(found 'many')" in told.err
    assert told.err.count("\n") == 1


def test_without_a_way_to_a_cluster_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(MANIFEST, tmp_path) == 2
    assert capsys.readouterr().err.endswith("set KUBECONFIG\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--nodes", "few"), "'few' is not a number of nodes; write one, for example 10, or all"),
        (("--nodes", "0"), "'0' is not a number of nodes; write one, for example 10, or all"),
        (("--order", "Chance"), "invalid choice: 'Chance'"),
    ],
)
def test_options_that_are_none_are_a_wrong_call(
    words: tuple[str, ...], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        asked(MANIFEST, tmp_path, *words)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
