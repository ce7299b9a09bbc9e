"""``pneumonia baseline``: freeze what a site's images are like, so that drift is noticed later."""

import argparse
import json
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.commands.comparison import images_in
from service.errors import InvalidRequest, NotAChestXray, PneumoniaError
from service.inference.contract import Contract
from service.inference.loading import load_predictor
from service.inference.predictor import Predictor
from service.runtime.baseline import (
    ALL,
    NO,
    Baseline,
    Cumulative,
    Quantity,
    cumulative,
    largest_difference,
)
from service.runtime.cpus import busy_threads
from service.runtime.metrics import Metrics
from service.settings import Settings, read_settings

if TYPE_CHECKING:
    from service.cli import Subparsers

_FEWEST = 200
# from which difference on a person should look; alerts on drift begin there, too
_NOTABLE = 0.1
_SECONDS = 60
_REFUSED = 'pneumonia_refused_total{code="not_a_chest_xray"}'
_PERCENTILE = 'pneumonia_warnings_total{code="percentile_window"}'


def register(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "baseline",
        description="Freeze the distributions of a site's probabilities, distances and refusals as "
        "the baseline that drift is measured from, and compare it once with the model file's "
        "reference. The images come from a Prometheus that watches the service, or from a folder.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--prometheus", metavar="URL", help="such as http://localhost:9090")
    source.add_argument("--folder", type=Path, help="images as they come to the service")
    parser.add_argument(
        "--days", type=int, default=14, help="days of Prometheus data to use (default: 14)"
    )
    parser.add_argument("--model", type=Path, help="model file (PNEUMONIA_MODEL)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="for the baseline")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(model=arguments.model)
    predictor = load_predictor(settings)
    model = predictor.model
    try:
        if arguments.prometheus:
            source = f"{arguments.days} days of Prometheus"
            counts = _of_prometheus(arguments.prometheus, arguments.days, model.sha256)
        else:
            source = "a folder of images"
            counts = _of_folder(predictor, arguments.folder, settings)
    finally:
        predictor.close()
    images = counts["refused"][ALL]
    if images < _FEWEST:
        raise InvalidRequest(
            f"{images:.0f} images are too few for a baseline: at least {_FEWEST} are needed"
        )
    baseline = Baseline(
        created=datetime.now(UTC),
        model=model.contract.name,
        version=model.contract.version,
        model_sha256=model.sha256,
        source=source,
        counts={quantity: dict(found) for quantity, found in counts.items() if found.get(ALL)},
        from_reference=_from_reference(counts, model.contract),
    )
    try:
        arguments.out.write_text(baseline.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"the baseline cannot be written: {error.strerror}") from error
    sys.stdout.write(_tell(baseline, arguments.out))
    return 0


def _from_reference(
    counts: Mapping[Quantity, Cumulative], contract: Contract
) -> dict[Quantity, float]:
    found: dict[Quantity, float] = {}
    for quantity, reference in contract.reference_histograms.items():
        if counts[quantity].get(ALL):
            found[quantity] = largest_difference(counts[quantity], cumulative(reference))
    return found


def _tell(baseline: Baseline, path: Path) -> str:
    lines = [f"{path}: {baseline.images('refused'):.0f} images, {baseline.source}"]
    for quantity in ("refused", "percentile_window"):
        counts = baseline.counts.get(quantity)
        if counts:
            lines.append(f"{quantity}: {1 - counts[NO] / counts[ALL]:.1%}")
    for quantity, difference in baseline.from_reference.items():
        far = difference > _NOTABLE
        advice = ": other patients, devices or prevalence than the model's; evaluate it here first"
        lines.append(f"{quantity}: {difference:.2f} from the model's reference{advice * far}")
    return "\n".join([*lines, f"set PNEUMONIA_BASELINE={path} for the service", ""])


def _of_folder(
    predictor: Predictor, folder: Path, settings: Settings
) -> dict[Quantity, Cumulative]:
    """Count as the service does, by its own metrics."""
    metrics = Metrics()
    metrics.describe_model(predictor.model.contract, predictor.model.sha256)

    def ask(path: Path) -> None:
        if path.stat().st_size > settings.max_bytes:
            return
        try:
            metrics.count_prediction(predictor.predict(path.read_bytes()), 0, 0)
        except NotAChestXray as refusal:
            metrics.count_refusal(refusal.code, refusal.distance)
        except PneumoniaError:
            return  # no image, which says nothing of those that are

    with ThreadPoolExecutor(busy_threads()) as pool:
        list(pool.map(ask, images_in(folder)))
    return _counts(_samples(metrics.registry))


def _samples(registry: CollectorRegistry) -> dict[str, dict[str, float]]:
    """Name -> ``le`` or code -> value, of what is needed."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            label = sample.labels.get("le") or sample.labels.get("code") or ""
            series = found.setdefault(sample.name, {})
            series[label] = series.get(label, 0) + sample.value
    return found


def _counts(samples: Mapping[str, Mapping[str, float]]) -> dict[Quantity, Cumulative]:
    answered = sum(samples["pneumonia_predictions_total"].values())
    refused = samples["pneumonia_refused_total"].get("not_a_chest_xray", 0)
    percentile = samples["pneumonia_warnings_total"]["percentile_window"]
    return {
        "probability": samples["pneumonia_probability_bucket"],
        "distance": samples["pneumonia_input_distance_bucket"],
        "refused": {NO: answered, ALL: answered + refused},
        "percentile_window": {NO: answered - percentile, ALL: answered},
    }


def _of_prometheus(url: str, days: int, sha256: str) -> dict[Quantity, Cumulative]:
    """What the service counted in the last days, all replicas together.

    Raises:
        InvalidRequest: Prometheus does not answer, or another model answered too.
    """
    window = f"[{days}d]"
    models = _ask(
        url, f"group by (sha256) (count_over_time(pneumonia_model_info{window}))", "sha256"
    )
    if models.keys() != {sha256}:
        raise InvalidRequest(
            f"Prometheus saw {'another model' if models else 'no model'} within {days} days: name "
            "the one that answers with --model, and take as many --days as it has answered"
        )
    return _counts(
        {
            name: _ask(url, f"sum by ({label}) (increase({series}{window}))", label)
            for name, series, label in (
                ("pneumonia_predictions_total", "pneumonia_predictions_total", "decision"),
                ("pneumonia_refused_total", _REFUSED, "code"),
                ("pneumonia_warnings_total", _PERCENTILE, "code"),
                ("pneumonia_probability_bucket", "pneumonia_probability_bucket", "le"),
                ("pneumonia_input_distance_bucket", "pneumonia_input_distance_bucket", "le"),
            )
        }
    )


def _ask(url: str, query: str, label: str) -> dict[str, float]:
    if not re.match("https?://", url):
        raise InvalidRequest("give the URL of Prometheus, with http:// or https://")
    query_url = f"{url.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(query_url, timeout=_SECONDS) as answer:  # noqa: S310 - checked above
            results = json.load(answer)["data"]["result"]
    except (OSError, ValueError, LookupError) as error:
        raise InvalidRequest(f"Prometheus does not answer at {url}: {error}") from error
    return {result["metric"].get(label, ""): float(result["value"][1]) for result in results}
