"""One HEAD request over TLS: the headers that browsers remember. Python's ssl makes a complete handshake for it."""

from __future__ import annotations

import ssl
import warnings
from functools import cache

from nginxtls.base.lazy import NamedTuple
from nginxtls.live.connections import LONGEST_LINE, Connection, Endless

MOST_HEADERS = 200


class Response(NamedTuple):
    """The head of a response. ``status`` is 0 where there is none, and ``trouble`` says why."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    trouble: str = ""

    def header(self, name: str) -> str | None:
        """The first header of a name, which is what clients use (RFC 6797 section 8.1)."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@cache
def _context() -> ssl.SSLContext:
    """A client that trusts everybody and speaks whatever this OpenSSL can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["http/1.1"])
    return context


def head(connection: Connection, servername: str, host: str) -> Response:
    """Send ``HEAD /`` and read the head of the response. Never raises for what a peer does."""
    try:
        connection.stream.settimeout(connection.remaining())
        with _context().wrap_socket(connection.stream, server_hostname=servername) as stream:
            inside = Connection(stream, connection.deadline)
            request = f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: nginxtls\r\nConnection: close\r\n\r\n"
            inside.send(request.encode("latin-1", "replace"))
            return _read(inside)
    except ssl.SSLError as error:
        return Response(trouble=f"the handshake of Python's ssl fails ({error.reason or 'closed'})")
    except (TimeoutError, Endless):
        return Response(trouble="does not answer the request")
    except (OSError, ValueError) as error:
        return Response(trouble=f"closes the connection ({error})")


def _read(connection: Connection) -> Response:
    version, _, rest = connection.line().partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/") or not (status.isascii() and status.isdigit()):
        return Response(trouble="does not answer with HTTP")
    headers = []
    while line := connection.line():
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
        if len(headers) > MOST_HEADERS or len(line) >= LONGEST_LINE:
            return Response(trouble="sends headers without end")
    return Response(int(status), tuple(headers))
