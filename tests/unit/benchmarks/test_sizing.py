"""The arithmetic of docs/scale.md, on figures that can be checked by hand."""

from dataclasses import replace

import pytest

from benchmarks.scaling_day import Setting, arriving, replay, waits
from benchmarks.sizing import (
    Assumptions,
    Measured,
    assumptions_table,
    duration,
    gigabytes,
    main,
    size_archive,
    size_fleet,
)

FOUND = Measured(
    service_rate=50.0,
    batch_rate=100.0,
    image_kilobytes=250.0,
    row_bytes=100.0,
    pod_megabytes=500,
    pod_cores=2,
    start_seconds=1.0,
    place="on paper",
)
ASSUMED = Assumptions(
    core_hour=0.1,
    gigabyte_month=0.02,
    machine_cores=10,
    machine_gigabytes=64,
    machine_gigabits=10.0,
    weekend_hours=50.0,
    utilisation=0.5,
)


def test_an_archive_is_images_by_rate() -> None:
    # a machine scores 1,000 a second
    size = size_archive(3_600_000, FOUND, ASSUMED)
    assert size.core_hours == pytest.approx(10)
    assert size.machines == 1
    assert size.hours == pytest.approx(1)
    assert size.read_gigabytes == pytest.approx(900)
    assert size.written_gigabytes == pytest.approx(0.36)
    assert size.compute_cost == pytest.approx(1.0)
    assert size.storage_cost == pytest.approx(900.36 * 0.02)


def test_more_machines_are_taken_where_the_weekend_is_too_short() -> None:
    size = size_archive(1_000_000_000, FOUND, ASSUMED)
    assert size.machines == 6  # 278 hours of one
    assert size.hours == pytest.approx(1e9 / 1000 / 3600 / 6)
    assert size.hours <= ASSUMED.weekend_hours


def test_a_slow_network_is_paid_in_idle_cores() -> None:
    slow = replace(ASSUMED, machine_gigabits=1.0)  # 500 images a second
    size = size_archive(3_600_000, FOUND, slow)
    assert size.hours == pytest.approx(2)
    assert size.core_hours == pytest.approx(20)


def test_requests_are_pods_and_pods_are_machines() -> None:
    size = size_fleet(1000, FOUND, ASSUMED)  # a pod is planned for 50
    assert (size.pods, size.machines) == (20, 4)
    assert size.memory_gigabytes == pytest.approx(10)
    assert size.network_gigabits == pytest.approx(2)
    assert size.month_cost == pytest.approx(20 * 2 * 0.1 * 720)
    assert size_fleet(1, FOUND, ASSUMED).pods == 2
    # where memory is short, fewer fit
    assert size_fleet(1000, replace(FOUND, pod_megabytes=32_000), ASSUMED).machines == 10


def test_the_wait_is_that_of_the_textbook() -> None:
    # M/M/1 with unlimited room: the mean wait is load / (rate of service - rate)
    wait, shed = waits(25.0, 1, 50.0)
    assert wait == pytest.approx(0.5 / 25, rel=1e-3)
    assert shed < 1e-9
    # where twice as much arrives as can be done, half of it is shed
    wait, shed = waits(200.0, 2, 50.0)
    assert shed == pytest.approx(0.5, abs=0.01)
    assert wait == pytest.approx(0.7, abs=0.05)


def test_a_day_without_a_scaler_costs_its_pods() -> None:
    day = replay(Setting("none", 100, 100, 1.0), 100.0, FOUND, ASSUMED)
    assert day.pod_hours == pytest.approx(2400)
    assert day.most == 100
    assert day.shed < 1e-9


def test_queued_work_sheds_less_in_a_burst_than_the_cpu_alone() -> None:
    by_cpu = replay(Setting("cpu", 2, 200, 0.7), 500.0, FOUND, ASSUMED)
    by_queue = replay(Setting("queue", 2, 200, 0.7, 0.2), 500.0, FOUND, ASSUMED)
    assert 0 < by_queue.shed < by_cpu.shed
    assert by_queue.pod_hours < 1.1 * by_cpu.pod_hours
    assert by_queue.most <= 200


def test_the_day_has_the_mean_that_is_asked_for_and_a_burst() -> None:
    quiet = [arriving(second, 100.0) for second in range(0, 24 * 3600, 60)]
    assert sum(quiet) / len(quiet) == pytest.approx(100, rel=0.05)
    assert arriving(10 * 3600, 100.0) > 3.9 * arriving(10 * 3600 - 1, 100.0)
    assert min(quiet) == pytest.approx(20, abs=1)


def test_what_is_assumed_is_named_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = assumptions_table(FOUND, ASSUMED)
    measured, _, assumed = text.partition("assumed, not measured")
    assert "50.0" in measured
    assert "price" not in measured
    assert "| price of one core with its memory, an hour | 0.1 | `--core-hour` |" in assumed
    main(["--core-hour", "7"])
    assert "| 7 | `--core-hour` |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("hours", "words"), [(0.01, "36 s"), (0.5, "30 min"), (30.0, "30 h"), (1.45, "87 min")]
)
def test_durations_read_well(hours: float, words: str) -> None:
    assert duration(hours) == words


@pytest.mark.parametrize(
    ("amount", "words"), [(0.0001, "100 kB"), (0.27, "270 MB"), (27, "27 GB"), (2700, "2.7 TB")]
)
def test_amounts_read_well(amount: float, words: str) -> None:
    assert gigabytes(amount) == words
