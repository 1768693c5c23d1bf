"""When a run is judged: not at the first moment at which all is right."""

from __future__ import annotations

from tests.chaos.running import STEADY_SECONDS, Settling


def test_all_has_settled_only_once_it_has_stayed_right() -> None:
    settling = Settling()
    assert not settling.look(100.0, is_sound=True)
    assert not settling.look(100.0 + STEADY_SECONDS - 1, is_sound=True)
    assert settling.look(100.0 + STEADY_SECONDS, is_sound=True)
    assert settling.since == 100.0


def test_what_goes_wrong_meanwhile_begins_it_anew() -> None:
    settling = Settling()
    settling.look(100.0, is_sound=True)
    assert not settling.look(110.0, is_sound=False)
    assert settling.since is None
    assert not settling.look(100.0 + STEADY_SECONDS, is_sound=True)
    assert settling.look(100.0 + 2 * STEADY_SECONDS, is_sound=True)
