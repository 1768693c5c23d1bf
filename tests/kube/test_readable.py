"""Objects that cannot be read: left out, and said in the log, but not with every look."""

from __future__ import annotations

import pytest

from foretide_kube.kinds.common import KindError
from foretide_kube.readable import readable


def unreadable() -> str:
    raise KindError("AIWorkload", "team/broken", "spec.inferences", 0, "must be at least 1")


def test_what_can_be_read_is_given_and_what_cannot_is_left_out_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    assert readable(lambda: "good") == "good"
    assert [readable(unreadable) for _ in range(3)] == [None, None, None]
    (said,) = caplog.messages
    assert "AIWorkload team/broken: spec.inferences: must be at least 1" in said


def test_only_objects_of_a_wrong_form_are_left_out() -> None:
    with pytest.raises(ZeroDivisionError):
        readable(lambda: 1 // 0)
