"""Optional keys: only their digests are kept, and comparing takes the same time for any key."""

import hashlib
import hmac

from starlette.requests import Request

from service.errors import Unauthorized


def check_key(request: Request, digests: tuple[str, ...]) -> None:
    """Let a request through that carries a known key, or any request when there are no keys.

    Args:
        request: with ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.
        digests: SHA-256 of the keys, hexadecimal.

    Raises:
        Unauthorized: no key, or an unknown one.
    """
    if not digests:
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    digest = hashlib.sha256(key.encode("latin-1")).hexdigest()
    known = [hmac.compare_digest(digest, entry) for entry in digests]
    if not any(known):
        raise Unauthorized("Send a valid key as Authorization: Bearer KEY or as X-API-Key: KEY.")
