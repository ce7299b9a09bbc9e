"""Log lines."""

import json
import logging
import subprocess
import sys

from service.process.logs import JsonFormatter


def line(record: logging.LogRecord) -> dict[str, object]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    result: dict[str, object] = json.loads(text)
    return result


def record(message: str, **extra: object) -> logging.LogRecord:
    logger = logging.getLogger("test")
    return logger.makeRecord("test", logging.INFO, "f", 1, message, (), None, extra=extra)


def test_a_record_is_one_line_of_json() -> None:
    entry = line(record('two\nlines and "quotes"', fields={"status": 200}))
    assert entry["message"] == 'two\nlines and "quotes"'
    assert (entry["level"], entry["status"]) == ("info", 200)
    assert str(entry["timestamp"]).endswith("+00:00")


def test_an_exception_is_in_the_line() -> None:
    made = record("failed")
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: why" in str(line(made)["exception"])


def test_every_logger_of_the_process_writes_json_to_standard_output() -> None:
    program = (
        "import logging; from service.process.logs import configure_logging;"
        "configure_logging('warning');"
        "logging.getLogger('any').warning('heard');"
        "logging.getLogger('any').info('not heard');"
        "logging.getLogger('python_multipart').warning('quotes the upload');"
        "logging.getLogger('uvicorn.error').error('heard too')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stderr == b""
    lines = [json.loads(entry)["message"] for entry in result.stdout.splitlines()]
    assert lines == ["heard", "heard too"]
