"""Blocks about how candidates do on the yardstick, from the reports that it writes."""

from typing import Any

from training.reports.files import rounded_rate, table

_FIGURES = {
    "conflicting": "conflicting",
    "conflicting_report": "conflicting, reporting half",
    "same_look": "same look",
    "blocked": "blocked",
    "cluster": "cluster held out",
    "clean": "clean",
    "worst_cluster": "worst cluster",
    "tuberculosis": "tuberculosis",
    "healthy_adults": "healthy adults",
    "healthy_adults_at_half": "the same at 0.5",
    "adults_ap": "adults, AP",
    "adults_pa": "adults, PA",
    "unseen_ap": "adults never seen, AP",
    "unseen_pa": "adults never seen, PA",
    "kind": "bacterial or viral",
}
# those that the difference of two candidates is shown of
_COMPARED = (
    "conflicting",
    "conflicting_report",
    "same_look",
    "blocked",
    "cluster",
    "worst_cluster",
    "tuberculosis",
    "healthy_adults",
    "healthy_adults_at_half",
    "unseen_ap",
    "unseen_pa",
)


def levers(report: dict[str, Any]) -> str:
    """Every candidate on the yardstick, and how far it is from the first, two tables."""
    candidates = report["candidates"]
    shown = [name for name in _FIGURES if any(name in row["figures"] for row in candidates)]
    rows = [
        [row["candidate"], str(len(row["runs"])), rounded_rate(row["score"])]
        + [_value(row["figures"].get(name)) for name in shown]
        for row in candidates
    ]
    measured = table(["candidate", "runs", "score", *(_FIGURES[name] for name in shown)], rows)
    differences = [row["against_first"] for row in candidates[1:]]
    compared = (name for name in _COMPARED if all(name in one for one in differences))
    names = ["score", *compared]
    rows = [
        [row["candidate"], *(rounded_rate(row["against_first"][name]) for name in names)]
        for row in candidates[1:]
    ]
    head = [f"minus {candidates[0]['candidate']}", "score"]
    return f"{measured}\n\n{table([*head, *(_FIGURES[name] for name in names[1:])], rows)}"


def shipped(report: dict[str, Any]) -> str:
    """Exported models on the yardstick, and how far the last is from the first, a table."""
    first, last = report["candidates"][0], report["candidates"][-1]
    candidates = sorted(report["candidates"], key=lambda row: str(row["candidate"]))
    titles = {
        **_FIGURES,
        "healthy_adults_pneumonia": "healthy adults answered pneumonia",
        "healthy_adults_uncertain": "healthy adults answered uncertain",
        "healthy_adults_refused": "healthy adults refused",
    }
    named = [(row["candidate"], row["figures"] | _score_of(row)) for row in candidates]
    if "against_first" in last:
        named.append((f"{last['candidate']} minus {first['candidate']}", last["against_first"]))
    rows = [
        [title, *(rounded_rate(figures[name]) for _, figures in named)]
        for name, title in {"score": "score", **titles}.items()
        if all(name in figures for _, figures in named)
    ]
    head = [name for name, _ in named]
    return f"{table(['figure', *head], rows)}\n\n{_errors(candidates)}"


def _errors(candidates: list[dict[str, Any]]) -> str:
    """Sensitivity and specificity of exported models at `balanced`, a table."""
    rows = []
    for name, title in _FIGURES.items():
        both = (f"{name}_sensitivity", f"{name}_specificity")
        if all(one in row["figures"] for row in candidates for one in both):
            rates = ((row["figures"][one]["value"] for one in both) for row in candidates)
            rows.append([title, *(" / ".join(f"{rate:.3f}" for rate in pair) for pair in rates)])
    names = [str(row["candidate"]) for row in candidates]
    return table(["sensitivity / specificity at `balanced`", *names], rows)


def _value(figure: dict[str, float] | None) -> str:
    return "-" if figure is None else f"{figure['value']:.3f}"


def _score_of(row: dict[str, Any]) -> dict[str, Any]:
    """A candidate's score; reports of earlier versions have none for exported models."""
    return {"score": row["score"]} if "score" in row else {}
