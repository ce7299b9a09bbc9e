"""What peers may ask of the node over DICOM: verification, storage, storage commitment."""

import sqlite3
import ssl
import threading
from typing import cast

from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from service.pacs.commitment import Commitments, StorageCommitmentPushModel
from service.pacs.errors import DiskFull, NotUnderstood
from service.pacs.inbox import Inbox
from service.pacs.listener import BoundedHandler, BoundedServer
from service.pacs.monitoring import Metrics
from service.pacs.settings import ANYBODY, PacsSettings

Verification = UID("1.2.840.10008.1.1")
SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
NO_SUCH_ACTION = 0x0123
INVALID_ARGUMENT = 0x0115
RESOURCE_LIMITATION = 0x0213

# what the service has decoders for, and one it refuses by name; the first that a sender proposes
# is taken. Deflated data sets are not: their size is unknown until they are read.
TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    JPEG2000,
    JPEGLSNearLossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
]
IMAGES = (ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation)


class Scp:
    """The node as a service class provider.

    Args:
        settings: of the node.
        inbox: takes what is stored.
        commitments: takes what is to be committed to.
        metrics: counts.
    """

    def __init__(
        self,
        settings: PacsSettings,
        inbox: Inbox,
        commitments: Commitments,
        metrics: Metrics,
    ) -> None:
        self._inbox = inbox
        self._commitments = commitments
        self._metrics = metrics
        self._settings = settings
        self._entity = entity = AE(settings.aet)
        entity.require_called_aet = True
        if ANYBODY not in settings.calling_aets:
            entity.require_calling_aet = list(settings.calling_aets)
        entity.maximum_pdu_size = 2**17
        entity.maximum_associations = settings.max_associations
        entity.network_timeout = settings.network_seconds
        entity.acse_timeout = settings.network_seconds
        entity.dimse_timeout = settings.network_seconds
        entity.add_supported_context(Verification)
        entity.add_supported_context(StorageCommitmentPushModel)
        for sop_class in (*IMAGES, *settings.sop_classes):
            entity.add_supported_context(sop_class, TRANSFER_SYNTAXES)
        self._server: BoundedServer | None = None

    def listen(self) -> tuple[str, int]:
        """Take the port; associations wait until :meth:`serve`.

        Returns:
            The address.

        Raises:
            OSError: the port is taken.
        """
        server = self._entity.make_server(
            (self._settings.host, self._settings.port),
            ssl_context=server_context(self._settings),
            evt_handlers=[
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_N_ACTION, self._commit),
                (evt.EVT_ACCEPTED, self._count, ["accepted"]),
                (evt.EVT_REJECTED, self._count, ["rejected"]),
                (evt.EVT_ABORTED, self._count, ["aborted"]),
            ],
            server_class=BoundedServer,
            request_handler=BoundedHandler,
        )
        assert isinstance(server, BoundedServer)
        server.bound(self._settings, lambda: self._metrics.associations.labels("refused").inc())
        self._server = server
        self._entity._servers.append(server)  # so that its shutdown ends this one too
        host, port = server.server_address[:2]
        return str(host), int(port)

    def serve(self) -> None:
        """Take associations, on threads of their own, until :meth:`close`."""
        assert self._server is not None
        threading.Thread(target=self._server.serve_forever, name="scp", daemon=True).start()

    def close(self) -> None:
        """Abort the associations and give the port back."""
        self._entity.shutdown()

    def _store(self, event: Event) -> int:
        """C-STORE: what is answered with success is on the disk, and written down."""
        request = cast("C_STORE", event.request)
        try:
            taken = self._inbox.take(
                event.encoded_dataset(),
                str(request.AffectedSOPInstanceUID),
                str(request.AffectedSOPClassUID),
                str(event.assoc.requestor.ae_title),
            )
        except NotUnderstood:
            self._metrics.received.labels("not_understood").inc()
            return CANNOT_UNDERSTAND
        except (DiskFull, OSError, sqlite3.Error):
            self._metrics.received.labels("no_room").inc()
            return OUT_OF_RESOURCES
        self._metrics.received.labels(taken).inc()
        return SUCCESS

    def _commit(self, event: Event) -> tuple[int, Dataset | None]:
        """N-ACTION: what is asked for is written down, and reported on later."""
        if event.action_type != 1:
            return NO_SUCH_ACTION, None
        try:
            self._commitments.ask(event.action_information, event.assoc)
        except NotUnderstood:
            return INVALID_ARGUMENT, None
        except (DiskFull, OSError, sqlite3.Error):
            return RESOURCE_LIMITATION, None
        return SUCCESS, None

    def _count(self, _event: Event, result: str) -> None:
        self._metrics.associations.labels(result).inc()


def server_context(settings: PacsSettings) -> ssl.SSLContext | None:
    """How associations are received over TLS; None where they are not."""
    if settings.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.tls_ca)
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    if settings.tls_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
