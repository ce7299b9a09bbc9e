"""Every refusal is documented with its true reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import service
from tests.refusals import PAGE, Refusal, ask_all, page

FOLDERS = ("http", "imaging", "inference", "runtime")
REFUSALS = {
    "DeadlineExceeded",
    "InvalidRequest",
    "NoEvidence",
    "NotAChestXray",
    "NotReady",
    "Overloaded",
    "RequestTimeout",
    "TooLarge",
    "Unauthorized",
    "UndecodableImage",
    "UnknownModel",
    "UnsupportedType",
}

# what no single request to a healthy service causes, and what does
ELSEWHERE = {
    "The DICOM file is corrupt: reading it broke the decoder.": "a codec that crashes",
    "The DICOM file took too long to read, as corrupt ones do.": "a limit of CPU time",
    "The DICOM file was not read within ": "a stopped worker",
    "Reading the DICOM file takes far more memory than an X-ray.": "a limit of memory",
    "There is no memory to decode the image now.": "a system without memory",
    "The uploads being read fill the memory set aside.": "other uploads at the same time",
    " s. Send a smaller file, or use a faster connection.": "a slow client",
    "The answer was not there within ": "a deadline",
    "The work already accepted takes about ": "other requests at the same time",
    "The model is being loaded.": "the start",
    "The service is not running.": "the start",
    "The service is shutting down.": "the end",
    "The service shut down before the turn of this request came.": "the end",
}


@pytest.fixture(scope="module")
def refusals() -> list[Refusal]:
    """The answers to all cases."""
    return ask_all()


def sentences() -> Iterator[tuple[str, str]]:
    """Where the service refuses, and the longest piece of the sentence that is always the same."""
    root = Path(service.__file__).parent
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in REFUSALS
                    and node.args
                ):
                    yield f"{path.relative_to(root)}:{node.lineno}", _fixed(node.args[0])


def _fixed(sentence: ast.expr) -> str:
    parts = sentence.values if isinstance(sentence, ast.JoinedStr) else [sentence]
    texts = [
        part.value
        for part in parts
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    return max(texts, key=len, default="")


def test_the_page_says_what_the_service_answers(refusals: list[Refusal]) -> None:
    assert PAGE.read_text() == page(refusals), "out of date: make docs"


def test_no_whole_file_is_called_broken(refusals: list[Refusal]) -> None:
    called = [
        (refusal.case.cause, refusal.detail)
        for refusal in refusals
        if refusal.case.intact
        and any(word in refusal.detail for word in ("truncated", "corrupt", "broken"))
    ]
    assert not called


def test_every_sentence_has_an_input_that_causes_it(refusals: list[Refusal]) -> None:
    details = [refusal.detail for refusal in refusals]
    found = list(sentences())
    assert len(found) > 70
    missing = [
        (where, text)
        for where, text in found
        if not any(text in detail for detail in details)
        and not any(text.startswith(other) for other in ELSEWHERE)
    ]
    assert not missing


def test_what_is_caused_elsewhere_is_still_said() -> None:
    said = [text for _, text in sentences()]
    assert not [text for text in ELSEWHERE if not any(one.startswith(text) for one in said)]
