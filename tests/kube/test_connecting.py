"""Which namespace is meant where none is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foretide_kube.connecting import own_namespace


def kubeconfig(context: dict[str, str]) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"} | context}],
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
    )


@pytest.mark.parametrize(
    ("text", "namespace"),
    [(kubeconfig({"namespace": "team"}), "team"), (kubeconfig({}), "default"), ("{", "default"), (None, "default")],
    ids=["of the context", "none there", "broken", "no file"],
)
def test_it_is_the_contexts_or_default(
    text: str | None, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    assert own_namespace() == namespace
