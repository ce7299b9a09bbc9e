"""The keys that may use the service, by name, and a file of them that may change while it runs."""

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Iterable
from pathlib import Path

from service.errors import StartError
from service.settings import NAMED_KEY, Settings

_logger = logging.getLogger("service.http.api_keys")

_LOOK_AGAIN_SECONDS = 1.0
_ID_DIGITS = 8


class ApiKeys:
    """Digests of keys; the keys themselves are never kept."""

    def __init__(self, settings: Settings) -> None:
        """Take the keys of the settings and of the file that they name.

        Raises:
            StartError: the file cannot be read, or holds no key or a line that is none.
        """
        unnamed = [f":{digest}" for digest in settings.api_key_sha256]
        self._fixed = _by_digest([*unnamed, *settings.api_keys])
        self._path = settings.api_keys_file
        self._looked_at = time.monotonic()
        self._state: tuple[int, ...] = ()
        self._known = self._fixed
        if self._path:
            try:
                self._state = _state(self._path)
                self._known = self._fixed | _read(self._path)
            except (OSError, ValueError) as error:
                raise StartError(f"the file of PNEUMONIA_API_KEYS_FILE: {_reason(error)}") from None

    @property
    def required(self) -> bool:
        """Whether a key is asked for."""
        return bool(self._known)

    def find(self, sent: Iterable[str]) -> str | None:
        """The id of the first key that is known, None where none is.

        The id is the key's name, and the first digits of its digest, which tell an old key from the
        new one of the same name. Comparing takes the same time for any key.

        Args:
            sent: keys as they came.
        """
        self._look_again()
        found = None
        for key in sent:
            digest = hashlib.sha256(key.strip().encode("latin-1")).hexdigest()
            for known, key_id in self._known.items():
                if hmac.compare_digest(digest, known):
                    found = found or key_id
        return found

    def _look_again(self) -> None:
        """Take over a changed file; a broken one is told, and the keys before it stay."""
        now = time.monotonic()
        if self._path is None or now < self._looked_at + _LOOK_AGAIN_SECONDS:
            return
        self._looked_at = now
        try:
            state = _state(self._path)
            if state == self._state:
                return
            self._state = state
            self._known = self._fixed | _read(self._path)
        except (OSError, ValueError) as error:
            self._state = ()
            _logger.error(
                "the API keys stay as they were", extra={"fields": {"why": _reason(error)}}
            )
        else:
            _logger.info("API keys read", extra={"fields": {"keys": sorted(self._known.values())}})


def _by_digest(entries: Iterable[str]) -> dict[str, str]:
    """Digest -> id of entries ``NAME:SHA256``."""
    pairs = (entry.rpartition(":") for entry in entries)
    return {
        digest: f"{name}:{digest[:_ID_DIGITS]}" if name else digest[:_ID_DIGITS]
        for name, _, digest in pairs
    }


def _read(path: Path) -> dict[str, str]:
    """The keys of a file: a line each, as in the setting; ``#`` begins a comment.

    Raises:
        OSError: it cannot be read.
        ValueError: a line that is no key, or no key at all, which would leave the service open.
    """
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if entry and not re.fullmatch(NAMED_KEY, entry):
            raise ValueError(f"line {number} is not NAME:SHA256")
        if entry:
            entries.append(entry)
    if not entries:
        raise ValueError("it holds no key")
    return _by_digest(entries)


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
