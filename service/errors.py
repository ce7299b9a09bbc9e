"""What can go wrong, named. `service.http.problem_details` maps these to HTTP.

Every error says in its sentence what happened and, where the sender can do something, what to do.
The sentence never holds a path, a file name or a value taken from the image's own text.
"""

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from service.imaging.radiograph import Source

SuspectedCause: TypeAlias = Literal[
    "inverted", "upside_down", "sideways", "not_frontal", "no_lungs", "lungs_cut_off"
]


class PneumoniaError(Exception):
    """Base of all errors this software raises on purpose.

    Attributes:
        code: stable, machine-readable name of the kind of error.
        detail: one sentence for a person.
        source: which DICOM object the image is, where that could be read before the error.
    """

    code: ClassVar[str] = "error"
    source: "Source | None" = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ModelFileError(PneumoniaError):
    """The model file is missing, lacks or breaks its contract, or computes something else here."""

    code = "model_file"


class StartError(PneumoniaError):
    """The service cannot start: a setting is wrong, or the address cannot be listened on."""

    code = "start"


class InvalidRequest(PneumoniaError):
    """The request names something that does not exist or lacks what is needed."""

    code = "invalid_request"


class UnknownModel(PneumoniaError):
    """The request names a model, or a version of one, that is not served here."""

    code = "not_found"


class UndecodableImage(PneumoniaError):
    """An image type that is known by its first bytes, but empty, truncated or corrupt."""

    code = "undecodable_image"


class UnsupportedType(PneumoniaError):
    """First bytes of no known image type, or a type that is refused."""

    code = "unsupported_type"


class TooLarge(PneumoniaError):
    """More bytes or pixels than the settings allow."""

    code = "too_large"


class NotAChestXray(PneumoniaError):
    """The image is too unlike the chest X-rays the model was made for.

    Attributes:
        distance: how far the image lies from them, >= 0; None when it was refused before the model.
        limit: the largest distance that is accepted; None when the model has no input check.
        suspected_cause: what was probably done to a chest X-ray before it was sent; None where
            nothing is recognised.
    """

    code = "not_a_chest_xray"

    def __init__(
        self,
        detail: str,
        distance: float | None = None,
        limit: float | None = None,
        suspected_cause: SuspectedCause | None = None,
    ) -> None:
        super().__init__(detail)
        self.distance = distance
        self.limit = limit
        self.suspected_cause = suspected_cause


class NoEvidence(PneumoniaError):
    """The model file has no evidence map."""

    code = "no_evidence"


class Unauthorized(PneumoniaError):
    """No key, or a wrong one."""

    code = "unauthorized"


class Overloaded(PneumoniaError):
    """The work already accepted would make this request miss its deadline.

    Attributes:
        retry_after: seconds, >= 1, after which the work accepted so far should be done.
    """

    code = "overloaded"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class RequestTimeout(PneumoniaError):
    """The upload did not arrive in time."""

    code = "request_timeout"


class NotReady(PneumoniaError):
    """The service is starting or draining."""

    code = "not_ready"


class DeadlineExceeded(PneumoniaError):
    """The answer was not there in time."""

    code = "deadline_exceeded"
