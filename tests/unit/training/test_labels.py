"""Which labels data have, and which of them count as disease."""

import numpy as np
import pytest

from training.labels import CHILDREN, LabelError, LabelSet


@pytest.mark.parametrize(
    ("found", "positive", "finding", "names", "negatives", "means"),
    [
        (["viral", "normal", "bacterial"], [], None, CHILDREN.names, 1, "pneumonia"),
        (["pneumonia", "normal", "viral", "bacterial"], [], None, CHILDREN.names, 1, "pneumonia"),
        (["normal", "viral", "bacterial"], ["pneumonia"], None, CHILDREN.names, 1, "pneumonia"),
        (["pneumonia", "normal"], [], None, ("normal", "pneumonia"), 1, "pneumonia"),
        (
            ["fungal", "normal", "viral", "bacterial"],
            [],
            None,
            ("normal", "bacterial", "fungal", "viral"),
            1,
            "pneumonia",
        ),
        (["tb", "normal", "covid"], [], None, ("normal", "covid", "tb"), 1, "covid or tb"),
        (["tb", "normal", "covid"], ["TB"], None, ("covid", "normal", "tb"), 2, "tb"),
        (["tb", "no finding"], [], "Tuberculosis", ("no finding", "tb"), 1, "Tuberculosis"),
        (["tb", "healthy", "no finding", "normal"], [], None, ("normal", "tb"), 1, "tb"),
        (
            ["a", "b", "c", "d", "negative"],
            [],
            None,
            ("negative", "a", "b", "c", "d"),
            1,
            "disease",
        ),
        (
            ["normal", "left", "right", "effusion"],
            [],
            "effusion",
            ("normal", "left", "right"),
            1,
            "effusion",
        ),
    ],
)
def test_labels_come_from_the_data_and_healthy_ones_come_first(
    found: list[str],
    positive: list[str],
    finding: str | None,
    names: tuple[str, ...],
    negatives: int,
    means: str,
) -> None:
    assert LabelSet.of(found, positive, finding) == LabelSet(names, negatives, means)


@pytest.mark.parametrize(
    ("found", "positive", "says"),
    [
        (["tb"], [], "All images have one label (tb)"),
        (["a", "b"], [], "Which of the labels a, b mean disease? Name them with --positive"),
        (["normal", "tb"], ["covid"], "No image is labelled covid, which --positive names"),
        (["normal", "tb"], ["TB", "Normal"], "--positive names all labels (normal, tb)"),
    ],
)
def test_labels_that_no_model_can_tell_apart_are_said(
    found: list[str], positive: list[str], says: str
) -> None:
    with pytest.raises(LabelError) as caught:
        LabelSet.of(found, positive)
    assert says in caught.value.detail


def test_an_image_of_the_finding_alone_has_one_of_its_labels() -> None:
    assert CHILDREN.target("viral") == (0, 0, 1)
    assert CHILDREN.target("Pneumonia") == (0, 0.5, 0.5)
    assert CHILDREN.column("pneumonia") == -1
    four = LabelSet(("normal", "bacterial", "fungal", "viral"), finding="infection")
    assert four.target("pneumonia") == pytest.approx((0, 1 / 3, 1 / 3, 1 / 3))
    two = LabelSet(("normal", "pneumonia"))
    assert two.target("bacterial") == two.target("pneumonia") == (0, 1)
    assert two.target("No_Finding") == two.target("normal") == (1, 0)
    with pytest.raises(LabelError, match="tb is not one of the labels normal, bacterial, viral"):
        CHILDREN.column("tb")


def test_disease_is_what_the_healthy_labels_leave() -> None:
    labels = LabelSet(("covid", "normal", "tb"), negatives=2, finding="tb")
    assert labels.positive == ("tb",)
    assert labels.probability(np.array([[0.2, 0.5, 0.3]])) == pytest.approx([0.3])
    assert labels.is_positive(np.array([0, 1, 2, -1])).tolist() == [False, False, True, True]
