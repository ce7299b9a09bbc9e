"""Fetching images from a DICOMweb server: whole archives at first, single studies again later."""

import re
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import requests
from pydicom.dataset import Dataset

from service.errors import InvalidRequest
from service.pacs.destinations import dicomweb_client
from service.pacs.errors import NotUnderstood
from service.pacs.inbox import Inbox
from service.pacs.scp import IMAGES
from service.pacs.settings import PacsSettings
from service.pacs.spool import Spool
from service.pacs.store import PENDING, Store

SENDER = "DICOMWEB"
_MODALITIES = ("CR", "DX")
_PAGE = 200

Counts = dict[str, int]


class Puller:
    """Puts images of a DICOMweb server into the spool of a node, which does the rest.

    An image that the node knows is not fetched again, so that an interrupted pull goes on where it
    was when it is started again.

    Args:
        settings: of the node.
        store: the states of its images.
        tell: is told of the progress.

    Raises:
        InvalidRequest: no server is set.
    """

    def __init__(
        self, settings: PacsSettings, store: Store, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        if settings.dicomweb_url is None:
            raise InvalidRequest("Set PNEUMONIA_PACS_DICOMWEB_URL to the server to fetch from.")
        self._store = store
        self._tell = tell
        self._client = dicomweb_client(settings)
        spool = Spool(settings.folder, settings.min_free_bytes)
        self._inbox = Inbox(settings, spool, store)
        self._classes = {*IMAGES, *settings.sop_classes}

    def by_date(self, dates: str) -> list[str]:
        """Study Instance UIDs of a day, or of the days from one to another.

        Raises:
            InvalidRequest: they are no dates, or the server does not answer.
        """
        if not re.fullmatch(r"\d{8}(-\d{8})?", dates):
            raise InvalidRequest("A date must be YYYYMMDD or YYYYMMDD-YYYYMMDD.")
        return self._search({"StudyDate": dates})

    def by_accession(self, numbers: Iterable[str]) -> list[str]:
        """Study Instance UIDs of accession numbers; those that the server does not know are told.

        Raises:
            InvalidRequest: the server does not answer.
        """
        found: list[str] = []
        for number in numbers:
            studies = self._search({"AccessionNumber": number})
            if not studies:
                self._tell(f"accession number {number}: no study with CR or DX images")
            found += studies
        return found

    def pull(self, studies: Iterable[str], again: bool = False) -> Counts:
        """Fetch the images of studies.

        Args:
            studies: Study Instance UIDs.
            again: whether those that are over are fetched too.

        Returns:
            How many were ``kept``, ``known``, ``conflict``, ``refused``, ``failed``.

        Raises:
            DiskFull: there is no room for another image.
        """
        studies = [*dict.fromkeys(studies)]
        counts = dict.fromkeys(("kept", "known", "conflict", "refused", "failed"), 0)
        for number, study in enumerate(studies, 1):
            for series, instance, sop_class in self._instances(study, counts):
                counts[self._fetch(study, series, instance, sop_class, again)] += 1
            self._tell(
                f"study {number} of {len(studies)}: "
                + ", ".join(f"{count} {name}" for name, count in counts.items())
            )
        return counts

    def _fetch(self, study: str, series: str, instance: str, sop_class: str, again: bool) -> str:
        states = {row.state for row in self._store.rows("sop_instance_uid = ?", (instance,))}
        if states and not (again and states.isdisjoint(PENDING)):
            return "known"
        try:
            dataset = self._client.retrieve_instance(
                study, series, instance, media_types=(("application/dicom", "*"),)
            )
            taken = self._inbox.take(_part10(dataset), instance, sop_class, SENDER)
        except (requests.RequestException, NotUnderstood, ValueError):
            return "failed"
        return "known" if taken == "duplicate" else taken

    def _search(self, filters: dict[str, Any]) -> list[str]:
        found: list[str] = []
        for modality in _MODALITIES:
            offset = 0
            while True:
                page = self._page({**filters, "ModalitiesInStudy": modality}, offset)
                found += [_value(study, "0020000D") for study in page]
                offset += len(page)
                if len(page) < _PAGE:
                    break
        return [*dict.fromkeys(found)]

    def _instances(self, study: str, counts: Counts) -> list[tuple[str, str, str]]:
        try:
            page = self._client.search_for_instances(study)
        except requests.RequestException:
            counts["failed"] += 1
            return []
        found = [
            (_value(item, "0020000E"), _value(item, "00080018"), _value(item, "00080016"))
            for item in page
        ]
        return [entry for entry in found if entry[2] in self._classes]

    def _page(self, filters: dict[str, Any], offset: int) -> list[dict[str, Any]]:
        try:
            return self._client.search_for_studies(
                search_filters=filters, limit=_PAGE, offset=offset
            )
        except requests.RequestException as error:
            raise InvalidRequest("The DICOMweb server does not answer.") from error


def reprocess(settings: PacsSettings, store: Store, study: str) -> int:
    """Have a study judged again.

    Returns:
        How many of its images were put into the spool for that.

    Raises:
        InvalidRequest: its images are neither kept nor can be fetched.
        DiskFull: there is no room for them.
    """
    spool = Spool(settings.folder, settings.min_free_bytes)
    inbox = Inbox(settings, spool, store)
    rows = store.rows("study_instance_uid = ? AND state IN ('done', 'refused')", (study,))
    kept = {row.sop_instance_uid: row for row in rows if row.file}
    count = 0
    for row in kept.values():
        assert row.file
        data = spool.path(row.file).read_bytes()
        taken = inbox.take(data, row.sop_instance_uid, row.sop_class_uid, row.sender)
        count += taken == "kept"
    if len(kept) < len({row.sop_instance_uid for row in rows}) or not rows:
        if settings.dicomweb_url is None:
            raise InvalidRequest(
                "The images are deleted, as they are when they are done. Send the study again from"
                " the PACS, or set PNEUMONIA_PACS_DICOMWEB_URL, or PNEUMONIA_PACS_KEEP_IMAGE_DAYS"
                " for the future."
            )
        count += Puller(settings, store).pull([study], again=True)["kept"]
    return count


def _part10(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _value(item: dict[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value", [""])
    return str(values[0])
