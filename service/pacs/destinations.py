"""Where results go: to a PACS by C-STORE, or to its DICOMweb server by STOW-RS."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE

from service.pacs.errors import Failed, Unavailable
from service.pacs.settings import PacsSettings

Send: TypeAlias = Callable[[Dataset], None]

# warnings that say that an object is stored, coerced or not (PS3.4 annex B)
_STORED = {0x0000, 0xB000, 0xB006, 0xB007}
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_NOT_AUTHORISED = 0x0124


class Destination(Protocol):
    """Takes results."""

    def open(self) -> AbstractContextManager[Send]:
        """What sends while the block lasts; a call of it returns once the result is stored there.

        Raises:
            Unavailable: by opening and by sending: nothing can be sent now.
            Failed: by sending: this result was not taken.
        """


class CStore:
    """Sends by C-STORE, all results of a block on one association.

    Args:
        settings: of the node.
    """

    def __init__(self, settings: PacsSettings) -> None:
        self._settings = settings
        self._context = _client_context(settings) if settings.pacs_tls else None

    @contextmanager
    def open(self) -> Iterator[Send]:
        """See :class:`Destination`."""
        settings = self._settings
        entity = AE(settings.aet)
        entity.acse_timeout = entity.dimse_timeout = settings.network_seconds
        entity.network_timeout = entity.connection_timeout = settings.network_seconds
        syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        for sop_class in (ComprehensiveSRStorage, SecondaryCaptureImageStorage):
            entity.add_requested_context(sop_class, syntaxes)
        association = entity.associate(
            settings.pacs_host,
            settings.pacs_port,
            ae_title=settings.pacs_aet,
            tls_args=(self._context, settings.pacs_host) if self._context else None,
        )
        if not association.is_established:
            if association.is_rejected:
                how = "rejects the association"
            elif self._context:
                how = "cannot be reached over TLS, or its certificate is not trusted for that host"
            else:
                how = "cannot be reached"
            raise Unavailable(f"The PACS {how}.")

        def send(result: Dataset) -> None:
            try:
                status = association.send_c_store(result).get("Status")
            except RuntimeError as error:  # the association has ended
                raise Unavailable("The PACS ended the association.") from error
            except ValueError as error:
                raise Unavailable("The PACS takes no reports or no secondary captures.") from error
            if status in _STORED:
                return
            if status is None:
                raise Failed("The PACS did not confirm the result.")
            if status in _OUT_OF_RESOURCES or status == _NOT_AUTHORISED:
                raise Unavailable(
                    f"The PACS is out of resources or does not authorise this node ({status:04X})."
                )
            raise Failed(f"The PACS refuses the result ({status:04X}).")

        try:
            yield send
        finally:
            if association.is_established:
                association.release()


class StowRs:
    """Sends by STOW-RS.

    Args:
        settings: of the node.
    """

    def __init__(self, settings: PacsSettings) -> None:
        self._client = dicomweb_client(settings)

    @contextmanager
    def open(self) -> Iterator[Send]:
        """See :class:`Destination`."""
        yield self._send

    def _send(self, result: Dataset) -> None:
        try:
            answer = self._client.store_instances([result])
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status in (400, 409, 415):
                raise Failed(f"The PACS refuses the result ({status}).") from error
            raise Unavailable(f"The PACS answers {status}.") from error
        except requests.RequestException as error:
            raise Unavailable("The PACS cannot be reached.") from error
        if answer.get("FailedSOPSequence"):
            reason = answer.FailedSOPSequence[0].get("FailureReason", 0)
            raise Failed(f"The PACS refuses the result ({reason:04X}).")


def destination_of(settings: PacsSettings) -> Destination:
    """What the settings say."""
    return StowRs(settings) if settings.send_by == "stow-rs" else CStore(settings)


def dicomweb_client(settings: PacsSettings) -> DICOMwebClient:
    """A client of the DICOMweb server that the settings name."""
    session = requests.Session()
    secret = settings.dicomweb_password
    if settings.dicomweb_user:
        session.auth = (settings.dicomweb_user, secret.get_secret_value() if secret else "")
    elif secret:
        session.headers["Authorization"] = f"Bearer {secret.get_secret_value()}"
    if settings.tls_ca:
        session.verify = str(settings.tls_ca)
    return DICOMwebClient(
        str(settings.dicomweb_url), session=session, timeout=settings.network_seconds
    )


def _client_context(settings: PacsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_ca)
    if settings.tls_certificate:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context
