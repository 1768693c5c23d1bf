import numpy as np
import pytest

from foretide.model.roofline import Work, cost
from foretide.model.table import Array, Table
from foretide.model.training.companions import Companions, distances, same_hardware
from foretide.model.training.roofline import RooflineFit

MACHINES, SETTINGS, WORKLOADS = 8, 3, 40


def fleet(*, likeness: float, seed: int) -> tuple[Table, Array]:
    """Machines that each run under three settings; how much int8 saves is the machine's, as far as ``likeness`` says.

    Machine 0 has two rows a setting, each of another precision than its neighbours'; all others have every row.
    """
    random = np.random.default_rng(seed)
    machine, setting, workload, flag = (
        grid.ravel()
        for grid in np.meshgrid(
            np.arange(MACHINES), np.arange(SETTINGS), np.arange(WORKLOADS), np.arange(2), indexing="ij"
        )
    )
    own = random.normal(0, 0.6, MACHINES)[:, None] * np.sqrt(likeness)
    saved = own + random.normal(0, 0.6, (MACHINES, SETTINGS)) * np.sqrt(1 - likeness)
    macs = np.exp(random.uniform(np.log(5e7), np.log(5e9), WORKLOADS))
    table = Table.of(
        {
            "device": [f"m{m}-s{s}" for m, s in zip(machine, setting, strict=True)],
            "workload": [f"w{w}-{f}" for w, f in zip(workload, flag, strict=True)],
            "macs": macs[workload],
            "x_int8": flag,
            "device_cores": 2.0 + machine,
            "device_armnn": setting == 1,
        }
    )
    log_seconds = np.log(macs[workload] / 1e10) + flag * (saved[machine, setting] - 0.5)
    return table, log_seconds + random.normal(0, 0.03, len(table))


def few(table: Table) -> np.ndarray:
    """All rows of the other machines; of machine 0 the first setting's rows are float, the others' int8."""
    kept = np.array([not name.startswith("m0") for name in table.device])
    flag = table.number("x_int8")
    for place, name in enumerate(("m0-s0", "m0-s1", "m0-s2")):
        rows = np.flatnonzero((table.device == name) & (flag == (place > 0)))
        kept[rows[:2]] = True
    return kept


def test_what_settings_of_one_machine_saw_is_told_of_each_other() -> None:
    alone, together = list[float](), list[float]()
    for seed in range(4):
        table, log_seconds = fleet(likeness=0.95, seed=seed)
        kept = few(table)
        fit = RooflineFit(table.take(kept), log_seconds[kept])
        companions = Companions(fit)
        assert companions.kernel.likeness > 0.5
        asked = (table.device == "m0-s0") & (table.number("x_int8") == 1)
        place, work = fit.place["m0-s0"], Work.of(fit.design, table.take(asked))
        for found, (mean, _) in ((alone, fit.prior_of(place)), (together, companions.prior_of(place))):
            found.append(float(np.abs(cost(work, mean).log_seconds - log_seconds[asked]).mean()))
    assert np.mean(together) < 0.7 * np.mean(alone)


def test_a_prior_that_companions_sharpen_is_surer() -> None:
    table, log_seconds = fleet(likeness=0.95, seed=1)
    kept = few(table)
    fit = RooflineFit(table.take(kept), log_seconds[kept])
    place = fit.place["m0-s0"]
    _, alone = fit.prior_of(place)
    _, together = Companions(fit).prior_of(place)
    gained = np.linalg.eigvalsh(np.linalg.inv(alone) - np.linalg.inv(together))
    assert gained.min() > -1e-9
    assert gained.max() > 0.01


def test_settings_that_have_nothing_in_common_are_hardly_believed() -> None:
    likeness = []
    for seed in range(4):
        table, log_seconds = fleet(likeness=0.0, seed=seed)
        likeness.append(Companions(RooflineFit(table, log_seconds)).kernel.likeness)
    assert np.mean(likeness) < 0.4


def test_a_device_without_companions_keeps_its_prior() -> None:
    table, log_seconds = fleet(likeness=0.95, seed=2)
    kept = few(table) & ~np.isin(table.device, ["m0-s1", "m0-s2"])
    fit = RooflineFit(table.take(kept), log_seconds[kept])
    place = fit.place["m0-s0"]
    for own, given in zip(Companions(fit).prior_of(place), fit.prior_of(place), strict=True):
        np.testing.assert_array_equal(own, given)


def test_hardware_is_the_same_where_all_facts_but_flags_are() -> None:
    nan = float("nan")
    devices = Table.of(
        {
            "device": ["a", "b", "c", "d", "e"],
            "device_cores": [4, 4, 8, nan, nan],
            "device_memory_gb": [2, 2, 2, nan, nan],
            "device_armnn": [0, 1, 0, 1, 1],
        }
    )
    same = same_hardware(devices)
    assert same[0, 1]
    assert same[1, 0]
    assert same.sum() == 5 + 2  # unknown hardware is no companion of other unknown hardware


@pytest.mark.parametrize("columns", [{}, {"device_armnn": [0, 1, 1]}])
def test_flags_alone_make_no_companions(columns: dict[str, list[int]]) -> None:
    assert same_hardware(Table.of({"device": ["a", "b", "c"], **columns})).sum() == 3


def test_distances_are_mean_squares_and_none_without_a_description() -> None:
    assert distances(np.zeros((1, 2)), np.array([[0.0, 0.0], [2.0, 0.0]])).tolist() == [[0.0, 2.0]]
    assert not distances(np.zeros((3, 0)), np.zeros((2, 0))).any()
