"""Completion of the command in a shell, and the command as a plugin of kubectl."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import binaries

COMMANDS = {
    "simulate",
    "predict",
    "profile",
    "explain",
    "doctor",
    "report",
    "export",
    "import",
    "release",
    "completion",
}
BIN = Path(sys.executable).parent


def completion(shell: str, program: str = "foretide") -> str:
    done = subprocess.run([BIN / program, "completion", shell], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_knows_every_command(shell: str) -> None:
    script = completion(shell)
    assert [each for each in COMMANDS if each not in script] == []
    assert script == completion(shell, "kubectl-foretide")


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(completion("bash"))
    ask = """
        source ./script
        asked() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shtab_foretide; echo "${COMPREPLY[@]}"; }
        asked foretide doc
        asked foretide doctor --sys
        asked foretide doctor -o ""
    """
    told = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["doctor", "--system-namespace", "table json yaml"]


def test_as_a_plugin_it_calls_itself_as_kubectl_does() -> None:
    done = subprocess.run([BIN / "kubectl-foretide", "doctor", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: kubectl foretide doctor ")


def test_kubectl_finds_the_plugin() -> None:
    kubectl = binaries.ensure(["kubectl"], lambda _line: None)["kubectl"]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    words = [str(kubectl), "foretide", "--help"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: kubectl foretide ")
