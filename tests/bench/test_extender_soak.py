"""What the soak makes of its parts: growth and drift after the warm-up, and whether each mark is one of its figures."""

from __future__ import annotations

from pathlib import Path

from bench.extender.servers import fleet_api, foretide
from bench.extender.soak import MARKS, PARTS, Part, drift, soak
from demo.marks import held


def part(number: int, *, rss_mib: float = 60.0, p99_ms: float = 2.0) -> Part:
    return Part(float(number + 1), 1.0, p99_ms, 0.5, rss_mib, 50)


def test_what_warms_up_is_neither_growth_nor_drift() -> None:
    parts = [part(0, rss_mib=20.0, p99_ms=90.0), part(1, rss_mib=40.0), *(part(number) for number in range(2, 20))]
    found = drift(parts)
    assert (found["rss_growth_percent"], found["p99_drift"]) == (0.0, 1.0)
    assert (found["seconds"], found["requests"], found["requests_per_second"]) == (20.0, 1000, 50.0)


def test_memory_that_grows_and_answers_that_slow_down_are_told() -> None:
    parts = [part(number, rss_mib=50.0 + number, p99_ms=1.0 + number / 10) for number in range(60)]
    found = drift(parts)
    assert found["rss_mib"] == {"first": 58.5, "last": 106.5}
    assert found["rss_growth_percent"] == 82.05
    assert found["p99_drift"] > 2.0
    assert drift([part(number, p99_ms=50.0 if number == 30 else 2.0) for number in range(60)])["p99_drift"] == 1.0


def test_a_run_has_all_its_parts_with_figures_for_every_mark(tmp_path: Path) -> None:
    with fleet_api(1000, 20, 20.0, tmp_path) as kubeconfig, foretide(kubeconfig, tmp_path) as server:
        parts = list(soak(server, 1.0))
    assert len(parts) == PARTS
    assert all(each.requests and each.rss_mib > 0.0 for each in parts)
    marks = held({**drift(parts), "fail_open_share": 0.0}, MARKS)
    assert [name for name, mark in marks.items() if mark["value"] is None] == []
