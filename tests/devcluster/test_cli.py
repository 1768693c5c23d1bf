"""The command line: what it takes for itself, what it hands on, and that it ends quietly when nobody reads on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from devcluster import cli


@pytest.mark.parametrize(
    ("given", "own", "words"),
    [
        ("kubectl -n ns get pods", "kubectl", "-n ns get pods"),
        ("kubectl --name x -n ns get", "kubectl --name x", "-n ns get"),
        ("kubectl --name x -- -n ns get", "kubectl --name x", "-n ns get"),
        ("kubectl --name=x get pods", "kubectl --name=x", "get pods"),
        ("kubectl exec pod -- ls", "kubectl", "exec pod -- ls"),
        ("kubectl config set-context --name x", "kubectl", "config set-context --name x"),
        ("helm --help", "helm", "--help"),
        ("exec", "exec", ""),
        ("down --all", "down --all", ""),
        ("", "", ""),
    ],
)
def test_only_a_leading_name_is_taken_from_the_words_of_a_program(given: str, own: str, words: str) -> None:
    assert cli.split(given.split()) == (own.split(), words.split())


def test_a_program_for_a_cluster_that_is_not_up_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["kubectl", "--name", "nowhere", "-n", "ns", "get", "pods"]) == 1
    assert "ClusterNotFound: nowhere" in capsys.readouterr().err


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    call = [sys.executable, "-m", "devcluster", "preflight"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
