"""What reaches a terminal: words of others command nothing there, a failure is one line, and who reads may stop."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from foretide_cli.__main__ import command_line, main
from foretide_cli.export.document import encode
from foretide_cli.reading import Reader
from foretide_cli.tables import harmless
from foretide_cli.terminal import Terminal
from foretide_kube.names import PODS
from tests.cli.small_cluster import Lister, published
from tests.extender.cluster_values import pod_object
from tests.report.sample import export

EXAMPLE = Path(__file__).parents[2] / "examples" / "simulation" / "rack-of-boards.yaml"
PROGRAM = Path(sys.executable).parent / "foretide"
CLEAR = "\x1b[2J"
CLEAR_LINE = "\r\x1b[K"


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


@pytest.mark.parametrize(
    "words", [CLEAR, "\x9b2J", "\x7f", "two\nlines\tand a tab", "a\u202eb", "tag \U000e0041", "é"], ids=ascii
)
def test_documents_say_the_same_as_before_and_command_nothing(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal("json").show(words, [])
    told = capsys.readouterr().out
    assert (json.loads(told), harmless(told)) == (words, told)
    Terminal("yaml").show(words, [])
    told = capsys.readouterr().out
    assert (yaml.safe_load(told), harmless(told)) == (words, told)


def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario.yaml").write_text("a: [\nb: :")
    assert main(["simulate", str(tmp_path / "scenario.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["simulate"], ["simulate", "--audit"], ["predict", "-f"], ["profile", "-f"]], ids=str
)
def test_a_file_that_cannot_be_read_is_named_first(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "gone.yaml"]) == 2
    told = capsys.readouterr().err
    assert (told.startswith("foretide: gone.yaml: No such file or directory"), told.count("\n")) == (True, 1)


@pytest.mark.parametrize("words", [["simulate"], ["predict", "-f"], ["profile", "-f"]], ids=str)
@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000 + "}" * 100_000], ids=["open", "closed"])
def test_a_file_nested_beyond_all_sense_is_one_line_that_says_so(words: list[str], text: str, tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text(text)
    done = subprocess.run(
        [PROGRAM, *words, "deep.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # a process of its own: libyaml's reader ends it
    assert done.returncode == 2
    assert done.stderr.startswith("foretide: deep.yaml: lists and mappings are nested too deeply; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["completion", "bash"], ["report", "page.html", "--from", "saved.json"]], ids=str)
def test_where_nobody_reads_on_it_ends_in_silence(words: list[str], saved: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([PROGRAM, *words], cwd=saved.parent, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("file", ["page.html", "-"])
def test_without_standard_output_it_does_what_is_asked(file: str, saved: Path) -> None:
    words = [str(PROGRAM), "report", file, "--from", "saved.json"]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *words], cwd=saved.parent, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_without_standard_error_nothing_that_is_amiss_stands_among_results(tmp_path: Path) -> None:
    words = [str(PROGRAM), "report", "-", "--from", "saved.json"]
    done = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *words], cwd=tmp_path, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


SIMULATED = ["simulate", "scenario.yaml", "--policy", "default", "--policy", "foretide"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a small scenario lies, and where one is."""
    (tmp_path / "scenario.yaml").write_text(EXAMPLE.read_text().replace("tasks: 600", "tasks: 20"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass(frozen=True, slots=True)
class Heard:
    """What was written to the terminal, and what went down the pipe."""

    written: str
    printed: str

    @property
    def told(self) -> list[str]:
        """What the line of progress said, one thing after the other."""
        begun = self.written.split(CLEAR_LINE)[1:]
        return [each for each in begun if each and "\n" not in each]

    @property
    def left(self) -> str:
        """What can be read in the end."""
        return "\n".join(line.rsplit(CLEAR_LINE)[-1] for line in self.written.split("\n"))


def on_terminal(
    words: list[str],
    *,
    folder: Path,
    columns: int = 100,
    piped: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Heard:
    """What `foretide` writes with standard error, and standard output unless it is ``piped``, on a terminal."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, columns))
    without = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        [PROGRAM, *words],
        cwd=folder,
        env={**without, "TERM": "xterm", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if piped else its,
        stderr=its,
    )
    os.close(its)
    piece, written = b"-", b""
    with process:
        printed = process.stdout.read() if process.stdout else b""
        while piece:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # nobody has it open any more
                break
            written += piece
    os.close(ours)
    assert process.returncode == 0, written
    return Heard(written.decode().replace("\r\n", "\n"), printed.decode())


def piped(words: list[str], folder: Path) -> str:
    done = subprocess.run([PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    return done.stdout


def test_on_a_terminal_headings_are_bold_and_a_pipe_gets_the_same_words_plain(folder: Path) -> None:
    seen = on_terminal(SIMULATED, folder=folder).left
    assert "\x1b[1mpolicy\x1b[0m" in seen
    assert seen.replace("\x1b[1m", "").replace("\x1b[0m", "") == piped(SIMULATED, folder)


@pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_who_wants_no_colour_gets_none(wish: dict[str, str], folder: Path) -> None:
    assert on_terminal(SIMULATED, folder=folder, environment=wish).left == piped(SIMULATED, folder)


def test_a_table_fits_into_a_narrow_terminal(folder: Path) -> None:
    seen = on_terminal(SIMULATED, folder=folder, columns=62, environment={"NO_COLOR": "1"}).left
    table = seen.split("\n\n", 1)[1]
    assert max(map(len, table.splitlines())) <= 62 < max(map(len, piped(SIMULATED, folder).splitlines()))
    assert "deadlines" in table


def test_what_is_under_way_is_told_on_a_terminal_and_nothing_of_it_is_left(folder: Path) -> None:
    heard = on_terminal(SIMULATED, folder=folder)
    assert heard.told == ["simulating policy 1 of 2: default", "simulating policy 2 of 2: foretide"]
    assert "simulating" not in heard.left


def test_a_line_of_progress_is_no_longer_than_the_terminal_is_wide(folder: Path) -> None:
    assert max(map(len, on_terminal(SIMULATED, folder=folder, columns=20).told)) == 19


def test_where_the_result_goes_to_a_program_nothing_is_told_besides(folder: Path) -> None:
    heard = on_terminal([*SIMULATED, "-o", "json"], folder=folder, piped=True)
    assert heard.written == ""
    assert set(json.loads(heard.printed)) == {"default", "foretide"}


def test_a_page_is_made_with_what_is_under_way_told(saved: Path) -> None:
    heard = on_terminal(["report", "--from", "saved.json"], folder=saved.parent)
    assert heard.told == ["reading saved.json", "making the page"]
    assert heard.left == "foretide-report.html: 6 workloads, 6 tasks that ended\n"


def test_of_a_large_cluster_it_is_told_how_much_was_read() -> None:
    pods = [pod_object(f"task-{number}") for number in range(1200)]
    client: Any = Lister(workloads=[published()], pods=pods)
    told: list[str] = []
    Reader(client, told.append).read_all(PODS, lambda item: item)
    assert told == [f"reading pods in all namespaces{count}" for count in ("", ": 500", ": 1,000")]


@pytest.mark.parametrize("words", [SIMULATED, [*SIMULATED[:2], "--audit"]], ids=["simulate", "audit"])
@pytest.mark.usefixtures("folder")
def test_yaml_says_what_json_does(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main([*words, "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == found


def test_every_command_that_shows_a_result_has_the_same_forms_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["simulate", "f"],
        ["predict", "-f", "f"],
        ["profile", "-f", "f"],
        ["explain", "pod", "p"],
        ["doctor"],
    ):
        for form in ("table", "json", "yaml"):
            assert command_line("foretide").parse_args([*words, "-o", form]).output == form
        with pytest.raises(SystemExit) as ended:
            main([*words, "-o", "xml"])
        assert ended.value.code == 2
        told = capsys.readouterr().err
        assert told.startswith("foretide: argument -o/--output: invalid choice: 'xml'")
        assert told.endswith(f"; see foretide {words[0]} --help\n")
        assert told.count("\n") == 1
