"""HTTP/1.1 as uvicorn speaks it, with a bound on the head of a request, and with refusals that are problem+json too."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import URI_TOO_LONG, ProblemError, respond_plain
from app.guards import MAX_URI_BYTES

MAX_HEAD_BYTES = 65_536


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What the parser cannot read never reaches the application, so it is answered here."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head = False
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; a head that goes on arriving for too long is refused."""
        began_before = self._in_head
        super().data_received(data)
        if began_before and self._in_head:
            # The parser keeps a header to itself until it ends, so what arrives is what must be counted.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response("the head of the request is too long")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what was sent and hang up; uvicorn calls this for all that it cannot parse."""
        if len(getattr(self, "url", b"")) > MAX_URI_BYTES:
            detail = f"an address may be {MAX_URI_BYTES} bytes long; POST takes longer questions"
            response = ProblemError(URI_TOO_LONG, detail, limit=MAX_URI_BYTES).respond()
        elif self._head_bytes > MAX_HEAD_BYTES:
            response = respond_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, msg)
        else:
            response = respond_plain(HTTPStatus.BAD_REQUEST, "this cannot be read as an HTTP/1.1 request")
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        lines = [STATUS_LINE[response.status_code], *(b"%s: %s\r\n" % header for header in headers), b"\r\n"]
        self.transport.write(b"".join(lines) + bytes(response.body))
        self.transport.close()
