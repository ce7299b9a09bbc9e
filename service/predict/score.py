"""The answer for one image, as one flat line has it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from service.errors import NoEvidence
from service.http.request_context import new_request_id
from service.http.schemas import ModelAnswer, describe
from service.imaging.reader import ReadImage
from service.inference.contract import Contract
from service.inference.loading import load_predictor
from service.inference.prevalence import check_prevalence
from service.predict.inputs import Job
from service.predict.reading import Record, fetch, load_file, or_problem, read_image
from service.settings import Settings


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
        data = fetch(job.file, partial(load_file, job.file), self._settings.max_bytes)
        record = self.infer(job.file, read_image(job.file, data, self._predictor.read))
        if isinstance(data, dict) or "code" in record or not self._options.drawings:
            return record
        drawing = self._options.drawings / job.drawing
        return or_problem(job.file, lambda: self._draw(data, drawing, record))

    def infer(self, file: str, read: ReadImage | Record) -> Record:
        """The answer for what :func:`read_image` gave, or why there is none."""
        if isinstance(read, dict):
            return read
        return or_problem(file, lambda: self._describe(file, read))

    def _draw(self, data: bytes, drawing: Path, record: Record) -> Record:
        drawing.write_bytes(self._predictor.explain(data))
        return {**record, "drawing": str(drawing)}

    def _describe(self, file: str, read: ReadImage) -> Record:
        start = perf_counter()
        options, contract = self._options, self.contract
        prediction = self._predictor.infer(read, self._point, options.prevalence)
        model = ModelAnswer(name=contract.name, version=contract.version, sha256=self.sha256)
        seconds = read.seconds + perf_counter() - start
        answer = describe(prediction, model, new_request_id(), 0.0, seconds, options.uids)
        return {"file": file, **answer.model_dump()}
