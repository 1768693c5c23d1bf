"""`foretide report` and `foretide export` as they are called: files, exit statuses, one line for what is amiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foretide_cli.__main__ import main
from foretide_cli.export.document import encode, read
from tests.cli.small_cluster import Lister, published
from tests.report.sample import export


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was exported, and no way to any cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "saved.json"
    file.write_bytes(encode(export(each=2)))
    return file


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lister:
    """The cluster that is meant."""
    found = Lister(workloads=[published()])
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("foretide_cli.__main__.connect", lambda: found)
    monkeypatch.chdir(tmp_path)
    return found


def test_a_page_is_made_of_what_was_saved_without_a_cluster(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--from", str(saved)]) == 0
    assert capsys.readouterr().out == "foretide-report.html: 6 workloads, 12 tasks that ended\n"
    assert "<h1>Foretide report</h1>" in Path("foretide-report.html").read_text()


def test_a_page_goes_to_standard_output_if_that_is_asked_for(saved: Path, capsysbinary: Any) -> None:
    assert main(["report", "-", "--from", str(saved)]) == 0
    assert capsysbinary.readouterr().out.startswith(b"<!DOCTYPE html>")


def test_what_was_not_saved_is_told_in_one_line(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--from", str(saved.with_name("gone.json"))]) == 2
    told = capsys.readouterr().err
    assert told == f"foretide: {saved.with_name('gone.json')}: No such file or directory\n"


def test_where_the_page_cannot_be_written_it_says_so(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "nowhere/page.html", "--from", str(saved)]) == 2
    assert capsys.readouterr().err == "foretide: nowhere/page.html: No such file or directory\n"


def test_to_explain_what_was_saved_is_a_wrong_call(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", "--from", str(saved), "--explain"])
    assert ended.value.code == 2
    assert "leave out --explain" in capsys.readouterr().err


def test_without_a_way_to_a_cluster_it_says_what_to_do(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(saved)]) == 2
    assert capsys.readouterr().err.endswith("set KUBECONFIG\n")


def test_what_is_exported_of_a_cluster_is_what_a_page_can_be_made_of(
    cluster: Lister, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(cluster.items["aiworkloads"]) == 1
    assert main(["export", "now.json"]) == 0
    assert capsys.readouterr().out == "now.json: 1 workload, 0 tasks that ended\n"
    assert [each.metadata.name for each in read(tmp_path / "now.json").workloads] == ["resnet"]
    assert main(["report", "--from", "now.json"]) == 0


def test_rights_that_are_missing_are_named_and_the_rest_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Lister(workloads=[published()], refused=["nodes", "completiontimemodels"], everywhere=True)
    monkeypatch.setattr("foretide_cli.__main__.connect", lambda: found)
    assert main(["report", str(tmp_path / "page.html")]) == 0
    rights = "list completiontimemodels.foretide.dev; list nodes"
    assert capsys.readouterr().err == f"foretide: not all could be read: missing rights to {rights}\n"


def test_who_may_read_nothing_gets_no_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("aiworkloads", "workloadprofiles", "nodeclasses", "completiontimemodels", "pods", "nodes")
    monkeypatch.setattr("foretide_cli.__main__.connect", lambda: Lister(refused=kinds, everywhere=True))
    assert main(["report", str(tmp_path / "page.html")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "page.html").exists()
