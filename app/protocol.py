"""HTTP/1.1 as uvicorn speaks it, with bounds on the head of a request, on slow clients and on the number of connections.

What is refused here is problem+json too.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.admission import SLOW_DOWN
from app.errors import OVERLOADED, REQUEST_TIMEOUT, URI_TOO_LONG, ProblemError, respond_plain
from app.guards import MAX_URI_BYTES

MAX_HEAD_BYTES = 65_536
MAX_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection may take, in seconds, and how many there may be."""

    head_timeout_s: float = 10.0
    """For the head of a request; counted from its first byte, or from the connection for the first request on it."""
    send_timeout_s: float = 30.0
    """For a client that does not read its answer to take some of it."""
    max_connections: int = 4_096


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What the parser cannot read never reaches the application, so it is answered here."""

    def __init__(self, *arguments: Any, patience: Patience, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._patience = patience
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._pause_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connects; one too many is sent away."""
        super().connection_made(transport)
        if len(self.connections) > self._patience.max_connections:
            self._refuse_connection()
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whom ever."""
        self._stop_head_timer()
        self._stop_send_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; a head that goes on arriving for too long is refused."""
        began_before = self._in_head
        super().data_received(data)
        if began_before and self._in_head:
            # The parser keeps a header to itself until it ends, so what arrives is what must be counted.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response("the head of the request is too long")
        elif not self._in_head and not self._is_busy():
            # Empty lines between requests are none, but stop uvicorn's clock.
            self._start_head_timer()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._head_bytes = 0
        self._start_head_timer()
        super().on_message_begin()
        self.scope["state"][SLOW_DOWN] = self._slow_down

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._in_head = False
        self._in_body = True
        self._stop_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is complete."""
        self._in_body = False
        self._stop_head_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered; a body that was not waited for may not go on arriving for ever."""
        super().on_response_complete()
        if self._pause_s:
            self.flow.pause_reading()
            self.loop.call_later(self._pause_s, self.flow.resume_reading)
            self._pause_s = 0.0
        if self._in_body and not self.transport.is_closing():
            self._start_head_timer()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        self._stop_send_timer()
        self._send_timer = self.loop.call_later(self._patience.send_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._stop_send_timer()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for a while. Closing waits for what was not read yet, which may be for ever: then it is dropped."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Refuse what was sent and hang up; uvicorn calls this for all that it cannot parse."""
        if len(getattr(self, "url", b"")) > MAX_URI_BYTES:
            detail = f"an address may be {MAX_URI_BYTES} bytes long; POST takes longer questions"
            self._refuse(ProblemError(URI_TOO_LONG, detail, limit=MAX_URI_BYTES).respond())
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(respond_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, msg))
        else:
            self._refuse(respond_plain(HTTPStatus.BAD_REQUEST, "this cannot be read as an HTTP/1.1 request"))

    def _slow_down(self, seconds: float) -> None:
        """Read nothing more for a while once this request is answered: refusing again at once helps nobody."""
        self._pause_s = min(seconds, MAX_PAUSE_S)

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._patience.head_timeout_s, self._give_up)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _give_up(self) -> None:
        """The head did not come in time."""
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._is_busy():
            # The request before is still being answered; what is said now would stand in the middle of that.
            self._start_head_timer()
        elif self._in_head:
            detail = f"the head did not arrive within {self._patience.head_timeout_s:g} seconds"
            self._refuse(ProblemError(REQUEST_TIMEOUT, detail).respond())
        else:
            self.transport.close()

    def _refuse_connection(self) -> None:
        problem = ProblemError(OVERLOADED, "too many connections are open", headers={"retry-after": "1"})
        self._refuse(problem.respond())

    def _refuse(self, response: Response) -> None:
        """Answer without the application, and hang up."""
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        lines = [STATUS_LINE[response.status_code], *(b"%s: %s\r\n" % header for header in headers), b"\r\n"]
        self.transport.write(b"".join(lines) + bytes(response.body))
        self.transport.close()
