"""Pynetdicom's server with bounds: on connections, on the size of objects, on their time."""

import socket
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast
from weakref import WeakKeyDictionary

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from service.pacs.settings import PacsSettings

# beyond those that may associate, so that the next few are told why they may not
_TOLD = 4
# a PDU of more was announced by somebody who did not read ours
_PDU_BYTES = 2**20


class _BoundedSocket(AssociationSocket):
    """Reads a PDU of a bounded length in a bounded time."""

    seconds = 30.0

    def recv(self, nr_bytes: int) -> bytearray:
        """As its base; a PDU that is too long or too slow ends the connection."""
        connection = cast("socket.socket", self.socket)
        if nr_bytes > _PDU_BYTES:
            raise OSError("a PDU is too long")
        end = time.monotonic() + self.seconds
        read = bytearray()
        while len(read) < nr_bytes:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("a PDU did not arrive in time")
            connection.settimeout(left)
            part = connection.recv(min(2**16, nr_bytes - len(read)))
            if not part:
                break
            read += part
        connection.settimeout(self.seconds)
        return read


class BoundedHandler(RequestHandler):
    """Makes the association of a connection."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.dul.socket = _BoundedSocket(association, client_socket=self.request)
        # the socket that it takes the place of has told of the connection already
        association.dul.event_queue.get()
        return association


class BoundedServer(ThreadedAssociationServer):
    """Closes connections beyond a number at once, and ends those that send too much, too slowly."""

    def bound(self, settings: PacsSettings, refused: Callable[[], None]) -> None:
        """Set the bounds.

        Args:
            settings: of the node.
            refused: called for each connection that is closed at once.
        """
        self._settings = settings
        self._refused = refused
        self._since: WeakKeyDictionary[Association, float] = WeakKeyDictionary()
        self.bind(evt.EVT_CONN_OPEN, self._set_time)
        self.bind(evt.EVT_PDU_RECV, self._watch)

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection; the handshake of TLS happens on its own thread, at the first read."""
        connection, address = cast("socket.socket", self.socket).accept()
        connection.settimeout(self._settings.network_seconds)
        if self.ssl_context:
            connection = self.ssl_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for another connection."""
        del request, client_address
        if len(self.active_associations) < self._settings.max_associations + _TOLD:
            return True
        self._refused()
        return False

    def _set_time(self, event: Event) -> None:
        sock = event.assoc.dul.socket
        if isinstance(sock, _BoundedSocket):
            sock.seconds = self._settings.network_seconds

    def _watch(self, event: Event) -> None:
        """After each PDU: how much of the present object has come, and since when."""
        association = event.assoc
        message = association.dimse.message
        if message is None:
            self._since[association] = time.monotonic()
            # nobody was told that they may go on before they have their answer
            if association.dimse.msg_queue.qsize() > 1:
                _abort(association)
            return
        size = cast("BytesIO", message.data_set).tell() + message.encoded_command_set.tell()
        late = time.monotonic() - self._since[association] > self._settings.object_seconds
        if size > self._settings.max_object_bytes or late:
            message.data_set = BytesIO()
            _abort(association)


def _abort(association: Association) -> None:
    # as for an invalid PDU, at which the state machine aborts
    association.dul.event_queue.put("Evt19")
