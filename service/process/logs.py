"""Logs: one JSON object a line on standard output, so that any collector can read them."""

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; ``extra={"fields": {...}}`` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        entry: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class _Output(logging.StreamHandler[TextIO]):
    """Writes lines; where that fails, a full disk say, the request is answered all the same."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base's name
        """Tell standard error that a line is lost, in one line instead of a traceback."""
        del record
        with contextlib.suppress(OSError):
            sys.stderr.write(f"a log line could not be written: {sys.exc_info()[1]}\n")


def configure_logging(level: str) -> None:
    """Send every log line of this process to standard output as JSON.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    handler = _Output(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # the server's own start and stop lines repeat ours in prose
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # the form parser quotes bytes of the upload in its warnings
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    # image libraries warn of broken uploads, once for each kind, in their own words
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.CRITICAL)
