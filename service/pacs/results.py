"""What is filed of an answer: one report and one evidence image, the same each time."""

import json
from datetime import UTC, datetime
from pathlib import Path

from pydicom.dataset import Dataset

from service.pacs.capture import make_capture
from service.pacs.errors import Failed
from service.pacs.finding import Finding
from service.pacs.report import make_report
from service.pacs.source import read_source
from service.pacs.store import Row


def make_results(row: Row, path: Path) -> list[Dataset]:
    """All that is filed of an answered image.

    Args:
        row: the image, answered.
        path: its file.

    Returns:
        The report, and the evidence image where there is one; they follow from row and file alone.

    Raises:
        Failed: the image is so that they cannot be made.
    """
    if row.answer is None or row.answered_at is None:
        raise Failed("The image has no answer.")
    at = datetime.fromtimestamp(row.answered_at, UTC)
    source = read_source(path)
    content = json.loads(row.answer)
    # the names of a model's own classes may be in any language
    if not f"{content.get('finding')} {content.get('subtype')}".isascii():
        source.SpecificCharacterSet = "ISO_IR 192"
    finding = Finding(row, source, content, at)
    try:
        results: list[Dataset] = [make_report(finding)]
        if row.overlay is not None:
            results.append(make_capture(finding, row.overlay))
    except Exception as error:
        raise Failed(f"The results cannot be made ({type(error).__name__}).") from error
    return results
