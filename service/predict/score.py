"""The answer for one image, as one flat line has it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, TypeAlias

from service.errors import NoEvidence, NotAChestXray, PneumoniaError, TooLarge
from service.http.request_context import new_request_id
from service.http.schemas import ModelAnswer, describe
from service.inference.contract import Contract
from service.inference.loading import load_predictor
from service.inference.prevalence import check_prevalence
from service.predict.inputs import STDIN, Job
from service.settings import Settings

Record: TypeAlias = dict[str, Any]


class UnreadableFile(PneumoniaError):
    """A file that is not there, is a folder, or may not be read."""

    code: ClassVar[str] = "unreadable_file"


@dataclass(frozen=True)
class Options:
    """What is asked of every image.

    Attributes:
        operating_point: which one decides.
        prevalence: the one that the answer is also adjusted to; None for no other.
        uids: whether the answer names the DICOM object.
        drawings: folder for the drawn evidence; None for none.
    """

    operating_point: str = "balanced"
    prevalence: float | None = None
    uids: bool = False
    drawings: Path | None = None


class Scorer:
    """Answers for one image after the other; threads may share it."""

    def __init__(self, settings: Settings, options: Options) -> None:
        """Load the model.

        Raises:
            ModelFileError: the file cannot be used.
            InvalidRequest: it has no such operating point, or does not know prevalences.
            NoEvidence: evidence is to be drawn, and it has none.
        """
        self._settings = settings
        self._options = options
        self._predictor = load_predictor(settings)
        self._point = self.contract.operating_point(options.operating_point)
        check_prevalence(self.contract, options.prevalence)
        if options.drawings and not self._predictor.model.has_evidence:
            raise NoEvidence("This model has no evidence map that could be drawn.")

    @property
    def contract(self) -> Contract:
        """Of the model."""
        return self._predictor.model.contract

    @property
    def sha256(self) -> str:
        """Of the model file."""
        return self._predictor.model.sha256

    def close(self) -> None:
        """End the processes that read DICOM files."""
        self._predictor.close()

    def __call__(self, job: Job) -> Record:
        """The answer as ``/predict`` has it, or why there is none; it never raises for a file."""
        try:
            return {"file": job.file, **self._answer(job)}
        except PneumoniaError as error:
            return _problem(job, error.code, error.detail, error)
        except MemoryError:
            return _problem(job, "out_of_memory", "There is not enough memory for this image.")
        except Exception as error:  # noqa: BLE001 - a file spoils no other, whatever it does
            detail = f"Something went wrong in this program ({type(error).__name__})."
            return _problem(job, "internal", detail)

    def _answer(self, job: Job) -> Record:
        start = perf_counter()
        data = _read(job.file, self._settings.max_bytes)
        options, contract = self._options, self.contract
        prediction = self._predictor.predict(data, self._point, options.prevalence)
        model = ModelAnswer(name=contract.name, version=contract.version, sha256=self.sha256)
        seconds = perf_counter() - start
        answer = describe(prediction, model, new_request_id(), 0.0, seconds, options.uids)
        record = answer.model_dump()
        if options.drawings:
            drawing = options.drawings / job.drawing
            drawing.write_bytes(self._predictor.explain(data))
            record["drawing"] = str(drawing)
        return record


def _problem(job: Job, code: str, detail: str, error: PneumoniaError | None = None) -> Record:
    record: Record = {"file": job.file, "code": code, "detail": detail}
    if isinstance(error, NotAChestXray):
        record["distance"] = error.distance
        record["limit"] = error.limit
        record["suspected_cause"] = error.suspected_cause
    return {**record, "warnings": []}


def _read(file: str, most: int) -> bytes:
    """The whole file, and not more than is allowed."""
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read(most + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is none"
        raise UnreadableFile(f"The file cannot be read: {reason}.") from error
    if len(data) > most:
        raise TooLarge(f"The file has more than {most} bytes. Raise PNEUMONIA_MAX_BYTES for it.")
    return data
