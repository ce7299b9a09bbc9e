"""The running server: its socket, signals and shutdown."""

import asyncio
import ipaddress
import logging
import math
import signal
import socket
from concurrent.futures import Future
from types import FrameType

import uvicorn

from service.errors import StartError
from service.http.app import create_app
from service.inference.predictor import Predictor
from service.process.protocol import BoundedProtocol
from service.runtime.memory import bytes_a_worker, has_no_room
from service.runtime.runtime import Runtime
from service.settings import Settings, ignored_variables

_logger = logging.getLogger("service.process.server")

# beyond the time to drain, for answering what could not be finished
_LAST_WORDS_SECONDS = 1


def serve(settings: Settings, predictor: "Future[Predictor]") -> bool:
    """Listen and serve until a signal comes.

    Args:
        settings: of the service.
        predictor: what will answer, as soon as it is loaded.

    Returns:
        Whether all accepted work was finished.

    Raises:
        ModelFileError: the model cannot be served.
        StartError: the address cannot be listened on.
    """
    app = create_app(settings, predictor)
    runtime: Runtime = app.state.runtime
    listener = listen(settings.host, settings.port)
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds) + _LAST_WORDS_SECONDS,
    )
    host, port = listener.getsockname()[:2]
    _logger.info("listening", extra={"fields": {"host": host, "port": port}})
    _warn(host, app.state.api_keys.required)
    _warn_of_memory(runtime)
    with listener:
        _Server(config, runtime).run([listener])
    if runtime.failure:
        raise runtime.failure
    _logger.info("stopped", extra={"fields": {"finished": runtime.finished}})
    return runtime.finished


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; connections wait in it until the server takes them.

    Args:
        host: name or address; ``::`` takes IPv4 too.
        port: 0 for any free one.

    Raises:
        StartError: the address is in use, of another machine, or malformed.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:  # the latter of a malformed host name
        reason = getattr(error, "strerror", None) or "no such address"
        raise StartError(f"cannot listen on {host} port {port}: {reason}") from error


def _warn(host: str, with_keys: bool) -> None:
    """Log what is set otherwise than it was probably meant."""
    if not with_keys and not ipaddress.ip_address(host).is_loopback:
        _logger.warning(
            "anybody who reaches this address may use the service: set PNEUMONIA_API_KEY_SHA256, "
            "PNEUMONIA_API_KEYS or PNEUMONIA_API_KEYS_FILE"
        )
    ignored = ignored_variables()
    if ignored:
        _logger.warning(
            "unknown PNEUMONIA_ variables and Kubernetes service links are ignored",
            extra={"fields": {"variables": ignored}},
        )


def _warn_of_memory(runtime: Runtime) -> None:
    """Log where the memory limit leaves fewer workers than are set, or hardly one."""
    limit, settings = runtime.memory_limit, runtime.settings
    if limit is None:
        return
    fields = {"memory_limit": limit, "bytes_a_worker": bytes_a_worker(settings)}
    if runtime.workers < settings.workers:
        fields |= {"workers": runtime.workers, "wanted": settings.workers}
        _logger.warning(
            "the memory limit has room for fewer workers than the cores keep busy: raise it, or "
            "lower PNEUMONIA_MAX_PIXELS or PNEUMONIA_MAX_UPLOAD_MEMORY",
            extra={"fields": fields},
        )
    if has_no_room(settings, limit):
        _logger.warning(
            "the memory limit has no room for one image of the largest size beside all uploads: "
            "raise it, or lower PNEUMONIA_MAX_PIXELS or PNEUMONIA_MAX_UPLOAD_MEMORY",
            extra={"fields": fields},
        )


class _Server(uvicorn.Server):
    """Uvicorn's server, but a signal first lowers readiness and does not fail the process."""

    def __init__(self, config: uvicorn.Config, runtime: Runtime) -> None:
        super().__init__(config)
        self._runtime = runtime

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to drain; a second interrupt from the keyboard ends at once."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self._runtime.drain()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port and let requests finish; those that cannot get the time to be told."""
        await super().shutdown(sockets)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS_SECONDS)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to close the port."""
        if self._runtime.closing or self._runtime.failure:
            self.should_exit = True
        return await super().on_tick(counter)
