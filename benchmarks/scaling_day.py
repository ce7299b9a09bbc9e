"""How the autoscaler should be set: a day with a burst, replayed with measured service times."""

import math
from dataclasses import dataclass

from benchmarks.sizing import Assumptions, Measured
from service.settings import Settings
from training.reports.files import table

# how often the autoscaler decides, and what it leaves alone (Kubernetes' defaults)
_STEP = 15
_TOLERANCE = 0.1
# at most doubled, or four pods more, in a step (Kubernetes' defaults)
_MOST_TIMES, _MOST_MORE = 2.0, 4
# as in deploy/kubernetes: how long fewer pods are wanted before there are fewer
_DOWN_SECONDS = 300
# the queue's metric is averaged over so long, and scraped so often (docs/kubernetes.md)
_METRIC_SECONDS = 40
_DAY = 24 * 3600
_MAX_WAIT: float = Settings.model_fields["max_wait_seconds"].default
_BURST_FROM, _BURST_TO, _BURST_TIMES = 10 * 3600, 10 * 3600 + 600, 4.0


@dataclass(frozen=True)
class Setting:
    """How an autoscaler is set.

    Attributes:
        name: in the table.
        least: pods.
        most: pods.
        cpu: utilisation it aims at, 0..1.
        wait: seconds of queued work it aims at; None where it does not look at them.
    """

    name: str
    least: int
    most: int
    cpu: float
    wait: float | None = None


@dataclass(frozen=True)
class Day:
    """What a day comes to.

    Attributes:
        pod_hours: that were paid.
        most: pods at a time.
        shed: share of the requests that were refused with 429.
    """

    pod_hours: float
    most: int
    shed: float


def waits(rate: float, cores: int, service_rate: float) -> tuple[float, float]:
    """How long requests wait in a pod, and how many it refuses (the queue M/M/c/K).

    The real times of service vary less than the formula has it, so it errs on the safe side.

    Args:
        rate: requests/s that arrive.
        cores: of the pod; each works on one request.
        service_rate: requests/s of a core.

    Returns:
        The mean wait of those that are answered, in seconds, and the share that is shed because as
        many wait already as can be answered within ``PNEUMONIA_MAX_WAIT_SECONDS``.
    """
    room = int(cores * service_rate * _MAX_WAIT)
    weights = [1.0]
    for number in range(1, cores + room + 1):
        weights.append(weights[-1] * rate / (service_rate * min(number, cores)))
    total = sum(weights)
    shed = weights[-1] / total
    queued = sum(place * weight for place, weight in enumerate(weights[cores:]))
    return queued / total / (rate * (1 - shed)), shed


def arriving(second: int, mean: float) -> float:
    """Requests/s at a time of the day: few at night, most at 11, and a burst at 10.

    Args:
        second: of the day.
        mean: requests/s over a day without its burst.
    """
    rate = mean * (1 - 0.8 * math.cos(2 * math.pi * (second / _DAY - 11 / 24 + 0.5)))
    return rate * (_BURST_TIMES if _BURST_FROM <= second < _BURST_TO else 1.0)


def replay(setting: Setting, mean: float, found: Measured, assumed: Assumptions) -> Day:
    """A day, in steps of the autoscaler, as its documentation says it decides.

    Args:
        setting: of the autoscaler.
        mean: requests/s over the day.
        found: rates and start of a pod.
        assumed: how long a pod waits for a machine.
    """
    pod_rate = found.service_rate * found.pod_cores
    late = _late_seconds(found, assumed) // _STEP
    ready = wanted = setting.least
    coming: list[int] = [ready] * late  # how many are ready in the steps to come
    lately: list[int] = []
    pod_seconds = shed = total = 0.0
    most = ready
    for second in range(0, _DAY, _STEP):
        coming.append(wanted)
        ready = min(coming.pop(0), wanted)
        rate = arriving(second, mean)
        share = rate / (ready * pod_rate)
        wait, refused = waits(rate / ready, found.pod_cores, found.service_rate)
        shed += rate * refused * _STEP
        total += rate * _STEP
        ratio = min(share, 1.0) / setting.cpu
        if setting.wait is not None:
            ratio = max(ratio, min(wait, _MAX_WAIT) / setting.wait)
        asked = wanted if abs(ratio - 1) <= _TOLERANCE else math.ceil(ready * ratio)
        lately = [*lately[-(_DOWN_SECONDS // _STEP) + 1 :], asked]
        ceiling = max(math.floor(wanted * _MOST_TIMES), wanted + _MOST_MORE)
        wanted = max(setting.least, min(max(lately), ceiling, setting.most))
        pod_seconds += wanted * _STEP
        most = max(most, wanted)
    return Day(pod_seconds / 3600, most, shed / total)


def settings_for(mean: float, found: Measured) -> list[Setting]:
    """The autoscalers that are compared."""
    peak = max(arriving(second, mean) for second in range(0, _DAY, _STEP))
    pods = math.ceil(peak / (0.9 * found.service_rate * found.pod_cores))
    most = 2 * pods

    def queued(cpu: float, least: int) -> Setting:
        name = f"CPU at {cpu:.0%}, queued work at 0.2 s, from {least} pods".replace("%", " %")
        return Setting(name, least, most, cpu, 0.2)

    return [
        Setting(f"none: {pods} pods all day", pods, pods, 1.0),
        Setting("CPU at 70 %, from 2 pods", 2, most, 0.7),
        *(queued(cpu, 2) for cpu in (0.7, 0.5, 0.3)),
        *(queued(0.7, least) for least in (pods // 2, pods)),
    ]


def waits_table(found: Measured, _assumed: Assumptions) -> str:
    """What a pod's load does to the wait."""
    rows = []
    for utilisation in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        rate = utilisation * found.service_rate * found.pod_cores
        wait, shed = waits(rate, found.pod_cores, found.service_rate)
        rows.append([f"{utilisation:.0%}", f"{rate:.0f}", f"{wait * 1000:.0f}", f"{shed:.1e}"])
    head = ["CPU", f"requests/s, {found.pod_cores} cores", "mean wait, ms", "share shed"]
    return table(head, rows)


def day_table(found: Measured, assumed: Assumptions, mean: float = 500.0) -> str:
    """What each setting of the autoscaler makes of a day."""
    rows = []
    for setting in settings_for(mean, found):
        day = replay(setting, mean, found, assumed)
        cost = day.pod_hours * found.pod_cores * assumed.core_hour
        cells = [setting.name, f"{day.pod_hours:,.0f}", str(day.most)]
        rows.append([*cells, f"{day.shed:.2%}", f"{cost:,.0f}"])
    head = ["autoscaler", "pod-hours", "most pods", "requests shed", "a day (assumed price)"]
    peak = max(arriving(second, mean) for second in range(0, _BURST_FROM, _STEP))
    return (
        f"The day has {mean:g} requests/s on average, {peak:,.0f} just before 10 o'clock, and then "
        f"{_BURST_TIMES:g} times as many for {(_BURST_TO - _BURST_FROM) // 60} minutes. A pod "
        f"answers {_late_seconds(found, assumed)} s after it is needed.\n\n{table(head, rows)}"
    )


def _late_seconds(found: Measured, assumed: Assumptions) -> int:
    """From the need for a pod to its first answer, in whole steps of the autoscaler."""
    seconds = assumed.node_seconds + found.start_seconds + _METRIC_SECONDS
    return math.ceil(seconds / _STEP) * _STEP
