"""Operator and planner as processes: what they say if they cannot begin, and that they end quietly when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kopf
import pytest

from foretide_kube.client import PAGE_SIZE
from foretide_kube.names import AIWORKLOADS, COMPLETION_TIME_MODELS, NODE_CLASSES
from foretide_operator.shell import configure
from tests.operator.empty_api import empty_api

ENVIRONMENT = {
    "FORETIDE_NAMESPACE": "foretide-system",
    "FORETIDE_PROFILER_IMAGE_ONNX": "example/profiler:onnx",
    "FORETIDE_PROFILER_IMAGE_TORCH": "example/profiler:torch",
}
ON_A_FREE_PORT = "import sys; from foretide_operator.__main__ import main; sys.exit(main(port=0))"


def environment(kubeconfig: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    return {**inherited, **ENVIRONMENT, "KUBECONFIG": str(kubeconfig)}


@pytest.mark.parametrize("kubeconfig", [None, "{", "clusters: []", "apiVersion: v1\ncurrent-context: nowhere\n"])
@pytest.mark.parametrize("module", ["foretide_operator", "foretide_operator.planner"])
def test_without_a_usable_kubeconfig_it_says_what_to_do_in_one_line(
    module: str, kubeconfig: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    if kubeconfig is not None:
        path.write_text(kubeconfig)
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment(path), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "cannot connect to the API server" in line
    assert "set KUBECONFIG" in line


def stop(process: subprocess.Popen[bytes], log: Path, *, after: str) -> str:
    """Send SIGTERM three times once ``log`` says ``after``; what was said from then on. It must end with 0."""
    give_up = time.monotonic() + 60
    while after not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < give_up, log.read_text()
        time.sleep(0.02)
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    assert process.wait(30) == 0, log.read_text()
    return log.read_text().partition(after)[2]


@pytest.mark.parametrize(
    ("has_kinds", "after"),
    [(True, "working: 0 AIWorkloads"), (True, "no Deployment foretide-operator"), (False, "waiting for it")],
)
def test_it_ends_quietly_however_often_it_is_told_to(tmp_path: Path, after: str, *, has_kinds: bool) -> None:
    kubeconfig, log = tmp_path / "kubeconfig", tmp_path / "log"
    with (
        empty_api(kubeconfig, has_kinds=has_kinds),
        log.open("wb") as output,
        subprocess.Popen([sys.executable, "-c", ON_A_FREE_PORT], env=environment(kubeconfig), stderr=output) as process,
    ):
        try:
            said = stop(process, log, after=after)
        finally:
            process.kill()
    assert "Traceback" not in said, said
    assert "ERROR" not in said, said
    assert "OS signals" not in log.read_text()


def test_kopf_lists_our_kinds_by_pages(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    wanted = {f"{kind.plural}?limit={PAGE_SIZE}" for kind in (AIWORKLOADS, NODE_CLASSES, COMPLETION_TIME_MODELS)}
    command = [sys.executable, "-c", ON_A_FREE_PORT]
    with (
        empty_api(kubeconfig) as asked,
        subprocess.Popen(command, env=environment(kubeconfig), stderr=subprocess.DEVNULL) as process,
    ):
        try:
            give_up, listed = time.monotonic() + 60, set[str]()
            while len(listed) < len(wanted) and time.monotonic() < give_up:
                assert process.poll() is None
                time.sleep(0.02)
                lists = [path for agent, path in list(asked) if agent.startswith("kopf/") and "watch=" not in path]
                listed = {path.rpartition("/")[2] for path in lists if "/foretide.dev/v1alpha1/" in path}
        finally:
            process.kill()
    assert listed == wanted


def test_kopf_knows_every_setting_that_it_is_given() -> None:
    settings = kopf.OperatorSettings()
    known = {name: set(vars(group)) for name, group in vars(settings).items()}
    configure(settings)
    assert {name: set(vars(group)) for name, group in vars(settings).items()} == known
