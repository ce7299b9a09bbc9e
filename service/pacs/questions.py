"""Asking the service about an image, over HTTP, and telling its last words from others."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from service.pacs.errors import Failed, Unavailable

# problems that are the service's last word about an image; every other one may pass
FINAL = {
    (400, "undecodable_image"),
    (413, "too_large"),
    (415, "unsupported_type"),
    (422, "not_a_chest_xray"),
}
# problems of this one image, as far as can be told: some day it is put aside
_OF_THE_IMAGE = {400, 408, 413, 415, 422, 500, 504}
_NOT_SET_UP = {"invalid_request", "unauthorized"}


@dataclass(frozen=True)
class Answer:
    """The service's last word about an image.

    Attributes:
        refused: whether it is a problem, and no decision.
        content: what it said, as it was parsed from JSON.
    """

    refused: bool
    content: dict[str, Any]

    @property
    def model_sha256(self) -> str | None:
        """Of the model that answered; refusals do not name it."""
        return self.content["model"]["sha256"] if not self.refused else None

    @property
    def text(self) -> str:
        """As JSON, for keeping."""
        return json.dumps(self.content)


@dataclass(frozen=True)
class ServedModel:
    """The model that answers.

    Attributes:
        sha256: of its file.
        finding: what its labels of disease mean together, such as pneumonia.
    """

    sha256: str
    finding: str


class Questions:
    """Asks one service.

    Args:
        url: of the service.
        key: its API key, where it asks for one.
        seconds: longest time to wait for an answer.
        operating_point: that decides.
    """

    def __init__(
        self, url: str, key: SecretStr | None, seconds: float, operating_point: str
    ) -> None:
        headers = {"X-API-Key": key.get_secret_value()} if key else {}
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=httpx.Timeout(seconds, connect=min(seconds, 10))
        )
        self._query = {"operating_point": operating_point}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def model(self) -> ServedModel:
        """The one that answers now.

        Raises:
            Unavailable: it could not be asked.
        """
        content = _content(self._request("GET", "/model"))
        try:
            return ServedModel(str(content["sha256"]), str(content["contract"]["finding"]))
        except (KeyError, TypeError):
            raise Unavailable("Something other than the service answers at its URL.") from None

    def ask(self, image: bytes, instance: str) -> Answer:
        """Have an image judged.

        Args:
            image: a DICOM file.
            instance: its SOP Instance UID, which the answer must name.

        Raises:
            Unavailable: it could not be asked, or is not the service.
            Failed: it could not answer about this image.
        """
        response = self._request("POST", "/predict", image, uids="true")
        content = _content(response)
        if response.status_code != 200:
            return Answer(refused=True, content=content)
        named = (content.get("uids") or {}).get("sop_instance_uid")
        if named != instance:
            raise Failed("The answer is about another image.")
        return Answer(refused=False, content=content)

    def explain(self, image: bytes) -> bytes | None:
        """The evidence over an image.

        Returns:
            A PNG; None where the model has no evidence map.

        Raises:
            Unavailable: it could not be asked.
            Failed: it could not answer about this image.
        """
        response = self._request("POST", "/explain", image)
        if response.status_code == 501:
            return None
        if response.status_code != 200:
            raise Failed("The service answered for the image but could not draw its evidence.")
        if response.headers.get("content-type") != "image/png":
            raise Unavailable("Something other than the service answers at its URL.")
        return response.content

    def _request(
        self, method: str, path: str, image: bytes | None = None, **query: str
    ) -> httpx.Response:
        """A response with 200, 501 or a final problem."""
        try:
            response = self._client.request(
                method,
                path,
                params={**self._query, **query} if image else None,
                content=image,
                headers={"Content-Type": "application/dicom"} if image else None,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise Unavailable("The service cannot be reached.") from error
        except httpx.HTTPError as error:
            # this image may be why: others must not wait behind it
            raise Failed(f"The service gave no answer ({type(error).__name__}).") from error
        if response.status_code == 200:
            return response
        code = str(_content(response).get("code"))
        if (response.status_code, code) in FINAL or code == "no_evidence":
            return response
        sentence = f"The service answers {response.status_code} {code}."
        if response.status_code in _OF_THE_IMAGE and code not in _NOT_SET_UP:
            raise Failed(sentence)
        raise Unavailable(sentence, _seconds(response.headers.get("retry-after")))


def _content(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a response.

    Raises:
        Unavailable: there is none, as when a proxy answers in the service's place.
    """
    kind = response.headers.get("content-type", "").partition(";")[0]
    try:
        content = response.json() if kind.endswith("json") else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Unavailable("Something other than the service answers at its URL.")
    return content


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdecimal() else None
