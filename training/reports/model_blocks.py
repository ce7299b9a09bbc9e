"""Blocks about the model that ships, from its contract and the reports beside it."""

import json
import statistics
from typing import Any, TypeAlias

import onnxruntime as ort

from service.inference.contract import Contract
from service.inference.operating_point import OperatingPoint, Rate, UncertainBand
from service.inference.prevalence import predictive_values as at_prevalence
from service.settings import DEFAULT_MODEL
from training.budgets import CONFIDENT, FALSE_ALARMS, MISSED
from training.reports import files
from training.reports.files import place, rounded_rate, table

REPORTS = files.REPORTS
Report: TypeAlias = dict[str, Any]
_PREVALENCES = (0.05, 0.2, 0.5)
_RESULTS = {
    "auroc": "pneumonia or not, AUROC",
    "accuracy": "accuracy at `balanced`",
    "sensitivity": "sensitivity at `balanced`",
    "specificity": "specificity at `balanced`",
    "bacterial_or_viral_auroc": "bacterial or viral, AUROC",
    "three_class_accuracy": "accuracy, three classes",
    "ece": "calibration error (ECE, 15 bins)",
    "brier": "Brier score",
}
_SHIFTS = {
    "auroc": "AUROC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity (recall)",
    "specificity": "specificity",
    "ece": "calibration error (ECE, 15 bins)",
}
_NOT_IN_FILE = "*Not in the contract of this model file; one that is exported anew has it.*"
_AUDIT = {
    "auroc_whole": "AUROC on whole images",
    "auroc_borders_hidden": "AUROC with the outer 12 % of each side blacked out",
    "auroc_lungs_hidden": "AUROC with the lungs blacked out (0.5: nothing else is used)",
    "deletion_by_evidence": "mean probability while places are blurred, strongest evidence first",
    "deletion_at_random": "the same in a random order (should be higher)",
    "insertion_by_evidence": "mean probability while places come back, strongest evidence first",
    "insertion_at_random": "the same in a random order (should be lower)",
    "inverted_refused": "share of inverted X-rays that the input check refuses",
    "inverted_named": "share of inverted X-rays whose refusal says that they are inverted",
}


def answer(report: Report) -> str:
    """What the shipped model says of the example, shortened, as a code block."""
    shown = ["decision", "probability", "probabilities", "subtype", "operating_point"]
    shown += ["input_check", "warnings"]
    short = {name: _rounded(report["answer"][name]) for name in shown}
    return f"```json\n{json.dumps(short, indent=2)}\n```"


def reference(report: Report) -> str:
    """What the example is known to show, one sentence."""
    return (
        f"The reference label of this image is {report['reference']} pneumonia; the model was not "
        "trained on any image of this child."
    )


def refusal(report: Report) -> str:
    """How the refused example is refused, as a code block."""
    shown = {name: value for name, value in report["refusal"].items() if name != "file"}
    return f"```json\n{json.dumps(_rounded(shown), indent=2)}\n```"


def tradeoff(report: Report) -> str:
    """Accuracy against speed, a table, and what eight bits come to here."""
    keys = ["auroc_clean", "auroc_shifted", "bacterial_or_viral_auroc_shifted"]
    keys += ["ece_clean", "ece_shifted"]
    rows = []
    for name, row in report["models"].items():
        ships = " (ships)" if name == report["ours"] else ""
        rows.append([name + ships, f"{row['time']:.2f}", *(f"{row[key]:.3f}" for key in keys)])
    head = ["precision, input", f"time / {report['reference']}", "AUROC, clean", "AUROC, shifted"]
    head += ["bacterial or viral AUROC, shifted", "ECE, clean", "ECE, shifted"]
    ratio, fault = report["int8_time_to_float32"], report["int8_fault"]
    verdict = "takes less time" if ratio < 1 else "is not faster"
    quality = (
        f"It does not pass the quality check of `pneumonia export --int8`: {fault}"
        if fault
        else "Its figures pass the quality check of `pneumonia export --int8`."
    )
    return (
        f"{table(head, rows)}\n\nOver {report['images']} held-out images, one thread, one image "
        f"at a time, {place(report)}. Int8 {verdict} on this processor: {ratio:.2f} times that of "
        f"float32 at the same size. {quality}"
    )


def drift(report: Report) -> str:
    """What scaled decoding changes, a table."""
    cells = "{mean:.5f}", "{largest:.4f}", "{decisions_changed}", "{time_to_full:.2f}"
    rows = []
    for margin, found in report["margins"].items():
        ours = " (ours)" if float(margin) == report["margin"] else ""
        rows.append([margin + ours, *(cell.format(**found) for cell in cells)])
    copies = [cell.format(**report["copies"]) for cell in cells]
    rows.append(
        [f"{report['margin']} (ours), against a copy of 224 x 224 pixels", *copies[:-1], "-"]
    )
    head = ["decoded to at least N x 224 pixels", "mean difference of probability", "largest"]
    head += ["decisions changed", "time / full decoding"]
    return f"{table(head, rows)}\n\nOver {report['images']} images, {place(report)}."


def results() -> str:
    """The main figures on held-out children, shifted children and held-out adults, a table."""
    children, adults = report_of("children/report.json"), report_of("adults/report.json")
    shifted = report_of("children/shifts.json")
    del shifted["clean"]
    rows = []
    for name, title in _RESULTS.items():
        values = [row[name]["value"] for row in shifted.values()]
        worst = max(values) if name in ("ece", "brier") else min(values)
        # the adults' kind of pneumonia is unknown
        adult = "-" if name == "three_class_accuracy" else _figure(adults, name)
        spread = f"{statistics.mean(values):.3f}, {worst:.3f}"
        rows.append([title, _figure(children, name), spread, adult])
    head = ["figure (95 % interval)", f"held-out children ({children['images']} images)"]
    head += [f"the same under {len(shifted)} named shifts: mean, worst"]
    return table([*head, f"held-out adults ({adults['images']} images, noisy labels)"], rows)


def expected(report: Report) -> str:
    """What is predicted for other images of such patients, a table.

    The range goes from the lowest lower to the highest upper limit over all assumptions.
    """
    assumptions = report["assumptions"]
    earlier = report_of("sealed.json")["children"]

    def row(title: str, group: str, name: str, measured: float | None) -> list[str]:
        rates = [one[group][name] for one in assumptions]
        low, high = min(rate["low"] for rate in rates), max(rate["high"] for rate in rates)
        before = "-" if measured is None else f"{measured:.3f}"
        middle = statistics.mean(rate["value"] for rate in rates)
        return [title, f"{middle:.3f}", f"{low:.3f}, {high:.3f}", before]

    rows = [row(title, "figures", name, earlier.get(name)) for name, title in _RESULTS.items()]
    for name in ("sensitivity", "specificity"):
        before = earlier.get(f"screening_{name}")
        rows.append(row(f"{name} at `screening`", "screening", name, before))
    rows += [
        row(f"calibration {name}", "calibration", name, None) for name in ("slope", "intercept")
    ]
    return table(["figure", "predicted", "from, to", "1.0.0, measured on 624 images"], rows)


def assumptions(report: Report) -> str:
    """The main figures under each assumption, a table."""
    names = ("auroc", "sensitivity", "specificity", "ece")
    rows = []
    for one in report["assumptions"]:
        rates = (rounded_rate(one["figures"][name]) for name in names)
        rows.append([f"{one['held_out']}, {one['mixed']}", str(one["images"]), *rates])
    return table(["held out", "images", *(_RESULTS[name] for name in names)], rows)


def conflicting(report: Report) -> str:
    """The figures where the device misleads, a table; `pneumonia evaluate --conflicting`."""
    names = ("auroc", "sensitivity", "specificity", "ece")
    ill, healthy = (report["conflicting"][side] for side in ("positive", "negative"))
    (_, alone), (share, mixed) = report["figures"].items()
    titles = (
        f"the conflicting alone: {ill} with pneumonia, {healthy} without",
        f"all {report['images']}, {share} by counting these more often",
    )
    rows = [
        [title, *(rounded_rate(figures[name]) for name in names)]
        for title, figures in zip(titles, (alone, mixed), strict=True)
    ]
    return table(["held-out children", *(_RESULTS[name] for name in names)], rows)


def elsewhere(yardstick: Report) -> str:
    """What is known here that speaks for images from elsewhere, a table."""
    adults, children = report_of("adults/report.json"), report_of("children/report.json")
    unseen = yardstick["candidates"][-1]["figures"]
    healthy, refused = adults["decisions"]["normal"], report_of("run/lungs.json")["refused"]
    others = report_of("children/out_of_distribution.json")
    rows = [
        ["other adults of the NIH", "AUROC", _figure(adults, "auroc")],
        [
            "those of them without a finding",
            "answered `pneumonia`",
            f"{healthy['pneumonia']} of {healthy['images']}",
        ],
        *(
            ["healthy adults of a hospital never seen", title, rounded_rate(unseen[name])]
            for name, title in (
                ("healthy_adults", "below the threshold"),
                ("healthy_adults_pneumonia", "answered `pneumonia`"),
                ("healthy_adults_uncertain", "answered `uncertain`"),
                ("healthy_adults_refused", "refused"),
            )
        ),
        *_other_trainings(report_of("yardstick/seeds.json")["candidates"]),
        [
            "lateral views",
            "refused, of synthetic side views and of half chests",
            f"{refused['side_view']:.0%}, {refused['half']:.0%}",
        ],
        ["children's chests", "refused", f"{children['refused']} of {children['images']}"],
        ["images of other things", "refused", rounded_rate(others["refused"])],
    ]
    return table(["images", "figure", "measured here"], rows)


def _other_trainings(candidates: list[Report]) -> list[list[str]]:
    """What other trainings of the recipe say: with other seeds, and without the adults."""
    several = max(candidates, key=lambda row: len(row["runs"]))
    each = [
        row for row in candidates if len(row["runs"]) == 1 and row["runs"][0] in several["runs"]
    ]
    below = [row["figures"]["healthy_adults"]["value"] for row in each]
    (without,) = (row["figures"] for row in candidates if "unseen_ap" in row["figures"])
    return [
        [
            f"the same healthy adults, by {len(each)} trainings that differ in the seed alone",
            "below the threshold",
            f"{min(below):.3f} to {max(below):.3f}",
        ],
        *(
            [
                f"adults of the NIH by a training without them, {view} views",
                "AUROC",
                rounded_rate(without[f"unseen_{view.lower()}"]),
            ]
            for view in ("AP", "PA")
        ),
    ]


def sealed(report: Report) -> str:
    """What was measured outside on images that nobody here has, a table."""
    return table(["images", "answers"], report["sets"])


def sealed_line(report: Report) -> str:
    """The same in one sentence, for who reads no model card."""
    found = report["children"]
    return (
        f"An earlier model, 1.0.0, was measured outside on {found['images']} images of "
        f"the same children's hospital that nobody here has: AUROC {found['auroc']:.3f}, accuracy "
        f"{found['accuracy']:.3f}, sensitivity {found['sensitivity']:.3f}, specificity "
        f"{found['specificity']:.3f}, less than it had predicted: much of what held-out figures "
        "measure is the X-ray device. This one has not been measured there; the model card says "
        "what is predicted of it."
    )


def shifts(report: Report) -> str:
    """Every named shift, a table."""
    rows = [
        [name, *(f"{row[key]['value']:.3f}" if key in row else "-" for key in _SHIFTS)]
        for name, row in report.items()
    ]
    return table(["shift", *_SHIFTS.values()], rows)


def coverage(report: Report) -> str:
    """How often `balanced` says uncertain, and how often it is wrong where it does not, a table."""
    rows = []
    for shift, by_label in report.items():
        y_true = [row for label, row in by_label.items() if label != "normal"]
        all_, normal = [*by_label.values()], [by_label["normal"]]
        shares = [_share(all_, "uncertain"), _share(y_true, "normal")]
        shares += [_share(normal, "pneumonia"), _share(all_, "refused")]
        rows.append([shift, *(f"{share:.1%}" for share in shares)])
    head = ["shift", "uncertain", f"of pneumonia answered normal (budget {MISSED:.0%})"]
    head += [f"of normal answered pneumonia (budget {FALSE_ALARMS:.0%})", "refused"]
    return table(head, rows)


def worst_errors(report: Report) -> str:
    """How many answers were sure and wrong, by the true kind, a table."""
    rows = []
    shifted = {name: by_label for name, by_label in report.items() if name != "clean"}
    for label, row in report["clean"].items():
        counts = {name: by_label[label]["confident_errors"] for name, by_label in shifted.items()}
        images = sum(by_label[label]["images"] for by_label in shifted.values())
        total, worst = sum(counts.values()), max(counts, key=lambda name: counts[name])
        cells = [label, f"{row['confident_errors']} of {row['images']}", f"{total} of {images}"]
        rows.append([*cells, f"{worst}: {counts[worst]}" if total else "-"])
    head = ["held-out children's images that are"]
    head += [f"wrong with {CONFIDENT:.0%} or more, clean"]
    head += ["under all shifts together", "most under one shift"]
    return table(head, rows)


def subgroups() -> str:
    """The decisions of `balanced` by source and true label, a table."""
    shown = ("pneumonia", "uncertain", "normal", "refused")
    rows = []
    for source in ("children", "adults"):
        for label, row in report_of(f"{source}/report.json")["decisions"].items():
            shares = [f"{_share([row], decision):.1%}" for decision in shown]
            rows.append([f"{source}, {label}", str(row["images"]), *shares])
    head = ["source, label", "images", "answered pneumonia", *shown[1:]]
    return table(head, rows)


def audit(report: Report) -> str:
    """What is left when parts of the image are hidden, and how true the evidence is, a table."""
    rows = [[title, rounded_rate(report["figures"][name])] for name, title in _AUDIT.items()]
    return table(["what is measured", "value (95 % interval)"], rows)


def operating_points() -> str:
    """Thresholds with what they were measured to do, a table."""
    rows = []
    for point in contract().operating_points:
        rates = point.sensitivity.model_dump(), point.specificity.model_dump()
        cells = [f"`{point.name}`", f"{point.threshold:.3f}", _band(point)]
        rows.append([*cells, *map(rounded_rate, rates), point.rule])
    head = ["name", "pneumonia from", "uncertain", "sensitivity", "specificity", "rule"]
    return table(head, rows)


def uncertain_band() -> str:
    """How many of 100 fall into an operating point's uncertain band, and what is right outside."""

    def percent(rate: Rate) -> str:
        return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})"

    def row(point: OperatingPoint, band: UncertainBand) -> list[str]:
        rates = (band.pneumonia, band.normal, band.sensitivity, band.specificity)
        return [f"`{point.name}`", *map(percent, rates)]

    rows = [row(point, point.uncertain) for point in contract().operating_points if point.uncertain]
    head = ["operating point", "uncertain with pneumonia", "uncertain without"]
    head += ["sensitivity outside the band", "specificity outside the band"]
    return table(head, rows) if rows else _NOT_IN_FILE


def subtypes() -> str:
    """How often the subtype is named, and named correctly, one sentence."""
    rule = contract().subtype_rule
    if rule.named is None or rule.correct is None:
        return _NOT_IN_FILE
    return (
        f"Of the images answered `pneumonia` at `balanced` the subtype is named for "
        f"{rule.named.value:.1%} ({rule.named.low:.1%} to {rule.named.high:.1%}), those where the "
        f"likelier one has at least {rule.least_share:.0%} of the probability of pneumonia; it is "
        f"right for {rule.correct.value:.1%} ({rule.correct.low:.1%} to {rule.correct.high:.1%})."
    )


def predictive_values() -> str:
    """What an answer means at several prevalences, a table (Bayes' rule)."""
    rows = []
    for point in contract().operating_points:
        for share in _PREVALENCES:
            values = at_prevalence(point, share)
            right = ["-" if value is None else f"{value:.1%}" for value in values]
            rows.append([f"`{point.name}`", f"{share:.0%}", *right])
    head = ["operating point", "prevalence", "an answer `pneumonia` is right", "`normal` is right"]
    return table(head, rows)


def input_check(report: Report) -> str:
    """What the input check refuses, a table."""
    rows = [[name.replace("_", " "), f"{share:.1%}"] for name, share in report["refused"].items()]
    return table(["images", "refused"], rows)


def anatomy_free(report: Report) -> str:
    """How well a model that sees no lungs tells the training images apart, one sentence."""
    told = {name: rounded_rate(rate) for name, rate in report["auroc"].items()}
    return (
        "A model that sees no anatomy, only grey levels, the outer frame and sharpness, tells "
        "healthy and ill children of the training images apart with an AUROC of "
        f"{told['image']}, across patients, and {told['image without plain borders']} without the "
        "plain borders that are cut off before the model sees an image, which "
        f"{report['plain_borders']['without']:.0%} of the healthy and "
        f"{report['plain_borders']['with disease']:.0%} of the ill have. One that sees only where "
        "the lung masks lie in the square image, and their shape, has "
        f"{told['place and shape of the lung masks']}: the fields of ill children are framed and "
        "proportioned otherwise. What a square crop to the "
        "lungs would keep of that, how full the box is and how its halves compare, gives "
        f"{told['shape of the lung masks in their box']}."
    )


def lungs(report: Report) -> str:
    """The lung localiser, its rule, and what the rule refuses, a sentence and a table."""
    rule = report["rule"]
    rows = [[name.replace("_", " "), f"{share:.1%}"] for name, share in report["refused"].items()]
    return (
        f"It has {report['parameters']:,} parameters. On {report['images']} held-out masks of the "
        f"children its mean intersection over union is {report['mean_overlap']:.3f}, and at least "
        f"{report['lowest_overlap']:.3f} on 99 % of them. The limits: "
        f"{rule['least_area']:.3f} of the image, a gap of {rule['least_separation']:.2f}.\n\n"
        + table(["images", "refused by the rule about the lungs"], rows)
    )


def out_of_distribution(report: Report) -> str:
    """How many out-of-distribution images are refused, one sentence."""
    nearest = report["nearest_of_limit"]
    return (
        f"Of {report['images']} out-of-distribution images in `{report['source']}` the service "
        f"refuses {rounded_rate(report['refused'])}"
        + (f"; the nearest lies at {nearest:.2f} times the limit." if nearest else ".")
    )


def contract() -> Contract:
    """The contract of the model that ships."""
    session = ort.InferenceSession(DEFAULT_MODEL, providers=["CPUExecutionProvider"])
    return Contract.from_metadata(session.get_modelmeta().custom_metadata_map)


def report_of(name: str) -> dict[str, Any]:
    """A report beside the model, by its path in `models/reports`."""
    return files.read(REPORTS / name)


def _share(rows: list[dict[str, int]], name: str) -> float:
    return sum(row[name] for row in rows) / sum(row["images"] for row in rows)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return value


def _figure(report: dict[str, Any], name: str) -> str:
    return rounded_rate(report["figures"][name]) if name in report["figures"] else "-"


def _band(point: OperatingPoint) -> str:
    if point.uncertain_low is None or point.uncertain_high is None:
        return "-"
    return f"{point.uncertain_low:.3f} to {point.uncertain_high:.3f}"
