"""What is counted to notice drift: the site's baseline, warnings, and the images of each device."""

import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

from service.imaging.radiograph import Source
from service.inference.predictor import Prediction
from service.runtime.baseline import Baseline

WARNINGS = (
    "age_unknown",
    "assumed_bit_depth",
    "burned_in_annotation",
    "evidence_outside_lungs",
    "first_frame",
    "ignored_voi_lut",
    "modality_contradiction",
    "narrow_grey_range",
    "not_a_chest_xray",
    "outside_training_population",
    "percentile_window",
    "upscaled",
)
OTHER_DEVICE = "other"
_OUTCOMES = ("pneumonia", "normal", "uncertain", "refused")


class DriftMetrics:
    """Counts for alerts and panels on drift."""

    def __init__(self, registry: CollectorRegistry, devices: tuple[str, ...] = ()) -> None:
        """Let every series exist whose labels are known.

        Args:
            registry: where they go.
            devices: the ones that have a label, ``MANUFACTURER/MODEL`` or ``MANUFACTURER``; all
                others share one, so that no file can make further series.
        """
        self._devices = {_normal(device): device for device in devices}
        self._warnings = Counter(
            "pneumonia_warnings", "Warnings of answers, by code.", ("code",), registry=registry
        )
        self._images = Counter(
            "pneumonia_device_images",
            "DICOM images by the device that made them and how they were answered.",
            ("device", "outcome"),
            registry=registry,
        )
        self._percentile_windows = Counter(
            "pneumonia_device_percentile_window",
            "Answered DICOM images without a usable window, by device.",
            ("device",),
            registry=registry,
        )
        self._probability = Summary(
            "pneumonia_device_probability",
            "Answered probabilities of pneumonia, by device.",
            ("device",),
            registry=registry,
        )
        self._share = Gauge(
            "pneumonia_baseline_share",
            "Of the site's baseline, the share of images up to an edge.",
            ("quantity", "le"),
            registry=registry,
        )
        self._baseline_images = Gauge(
            "pneumonia_baseline_images",
            "How many images the site's baseline is made of.",
            ("quantity",),
            registry=registry,
        )
        for code in WARNINGS:
            self._warnings.labels(code)
        for device in (*devices, OTHER_DEVICE):
            self._percentile_windows.labels(device)
            self._probability.labels(device)
            for outcome in _OUTCOMES:
                self._images.labels(device, outcome)

    def show_baseline(self, baseline: Baseline) -> None:
        """Let Prometheus see what the images are compared with."""
        for quantity, counts in baseline.counts.items():
            images = baseline.images(quantity)
            self._baseline_images.labels(quantity).set(images)
            for edge, count in counts.items():
                self._share.labels(quantity, edge).set(count / images)

    def count_prediction(self, prediction: Prediction) -> None:
        """Count an answer."""
        codes = {warning.code for warning in prediction.warnings}
        for code in codes:
            self._warnings.labels(code).inc()
        source = prediction.radiograph.source
        if source is None:
            return
        device = self._device(source)
        self._images.labels(device, prediction.decision).inc()
        self._probability.labels(device).observe(prediction.probability)
        if "percentile_window" in codes:
            self._percentile_windows.labels(device).inc()

    def count_refusal(self, source: Source | None) -> None:
        """Count a refusal of a file whose header could be read."""
        if source is not None:
            self._images.labels(self._device(source), "refused").inc()

    def _device(self, source: Source) -> str:
        maker = _normal(source.manufacturer)
        for name in (f"{maker}/{_normal(source.device_model)}", maker):
            if name in self._devices:
                return self._devices[name]
        return OTHER_DEVICE


def _normal(name: str) -> str:
    """Letters and digits only, since makers write their names in several ways."""
    return "/".join(re.sub(r"[^A-Z0-9]+", " ", part.upper()).strip() for part in name.split("/", 1))
