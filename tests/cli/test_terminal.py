"""What reaches a terminal: words of others command nothing there, a failure is one line, and who reads may stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from foretide_cli.__main__ import _say, main
from foretide_cli.export.document import encode
from tests.report.sample import export

CLEAR = "\x1b[2J"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    file = tmp_path / "saved.json"
    file.write_bytes(encode(export(each=1)))
    return file


def test_control_characters_are_told_and_not_obeyed(
    saved: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved.parent)
    assert main(["report", f"a{CLEAR}", "--from", str(saved)]) == 0
    assert main(["report", "--from", f"b{CLEAR}"]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("a\\u001b[2J: ")
    assert told.err.startswith("foretide: b\\u001b[2J: ")


@pytest.mark.parametrize("words", [CLEAR, "\x9b2J", "\x7f", "two\nlines\tand a tab", "\u202e", "é"], ids=ascii)
def test_documents_say_the_same_as_before(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    _say(msgspec.json.encode(words).decode())
    assert json.loads(capsys.readouterr().out) == words
    _say(msgspec.yaml.encode(words).decode())
    assert msgspec.yaml.decode(capsys.readouterr().out) == words


def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario.yaml").write_text("a: [\nb: :")
    assert main(["simulate", str(tmp_path / "scenario.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", [["completion", "bash"], ["report", "page.html", "--from", "saved.json"]], ids=str)
def test_where_nobody_reads_on_it_ends_in_silence(words: list[str], saved: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    program = Path(sys.executable).parent / "foretide"
    done = subprocess.run([program, *words], cwd=saved.parent, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
