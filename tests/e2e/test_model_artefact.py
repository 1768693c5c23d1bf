"""A stored model that was altered is not used: it is named, and another is trained."""

from __future__ import annotations

import base64

import pytest

from foretide_kube.client import Object
from foretide_kube.names import COMPLETION_TIME_MODELS, CONFIG_MAPS
from tests.installed import SYSTEM_NAMESPACE, Installed

pytestmark = pytest.mark.cluster


def active_version(installed: Installed) -> Object:
    """The version that serves, or an empty one."""
    status = installed.client.get(COMPLETION_TIME_MODELS, "default").get("status", {})
    rows = status.get("versions", [])
    return next((row for row in rows if row["version"] == status.get("activeVersion")), {})


def test_an_altered_artefact_is_refused_and_trained_anew(installed: Installed) -> None:
    version = installed.until("a version in use", lambda: active_version(installed), timeout_seconds=400)
    name = version["artefact"]["configMaps"][0]
    stored = installed.client.get(CONFIG_MAPS, name, SYSTEM_NAMESPACE)
    key, text = next(iter(stored["binaryData"].items()))
    content = bytearray(base64.b64decode(text))
    content[len(content) // 2] ^= 1
    altered = {"binaryData": {key: base64.b64encode(bytes(content)).decode()}}
    installed.client.patch(CONFIG_MAPS, name, altered, SYSTEM_NAMESPACE)

    def is_named() -> bool:
        row = installed.condition(COMPLETION_TIME_MODELS, "default", "ArtefactValid")
        return bool(row["status"] == "False" and row["reason"] == "ArtefactChecksumMismatch")

    installed.until("ArtefactValid=False, ArtefactChecksumMismatch", is_named, every_seconds=0.1)

    def is_valid_again() -> bool:
        row = installed.condition(COMPLETION_TIME_MODELS, "default", "ArtefactValid")
        return bool(row["status"] == "True")

    installed.until("a valid artefact again", is_valid_again)
