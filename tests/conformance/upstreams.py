"""Random configurations of nginx as a TLS client, in front of listeners that read its ClientHello and its own sockets.

Compared are what it offers (versions, SNI, ALPN) and whether a request gets through, with what
``handshake --upstreams`` says. Run it with ``python tests/conformance/random_runs.py --kind upstreams --seeds 0-999``.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hello import VERSIONS, count
from lab import Bench, Difference
from random_runs import PORT, Case

from nginxtls.model.outgoing import upstream_handshakes

FRONT: int = PORT
BACKS = FRONT + 1
"""The first of three back ends of the configuration."""
LISTENERS = FRONT + 8
"""The first of four listeners that read a ClientHello."""
PROTOCOLS = ("TLSv1.2 TLSv1.3", "TLSv1.2", "TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2", "TLSv1 TLSv1.2", "TLSv1", "TLSv1.1",
             "TLSv1.1 TLSv1.2 TLSv1.3", "TLSv1 TLSv1.3", "SSLv3 TLSv1.2")  # fmt: skip
CIPHERS = ("DEFAULT", "ECDHE+AESGCM", "DEFAULT:@SECLEVEL=0", "ALL:@SECLEVEL=0", "kRSA", "AES128-SHA:@SECLEVEL=0",
           "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "HIGH:!aNULL",
           "DEFAULT:@SECLEVEL=3")  # fmt: skip
COMMANDS = ("MinProtocol TLSv1.2", "MaxProtocol TLSv1.2", "MinProtocol TLSv1.3", "Protocol -TLSv1.3", "Protocol TLSv1",
            "CipherString ECDHE+AES128", "CipherString DEFAULT@SECLEVEL=0", "Options UnsafeLegacyServerConnect",
            "Ciphersuites TLS_CHACHA20_POLY1305_SHA256", "Protocol ALL,-TLSv1.2", "Options -SessionTicket",
            "Certificate DIR/a-rsa.pem")  # fmt: skip
NAMES = (
    "a-ec.test",
    "b-rsa.test",
    "a-rsa.test",
    "nothing.test",
    "$host",
    "127.0.0.1",
    "a-ec.test:8443",
    "sub.a-ec.test",
)
SCHEMES = {"proxy": "https", "grpc": "grpcs", "uwsgi": "suwsgi"}


def draw(seed: int, bench: Bench, certificates: Path) -> Case:
    """A front with a few locations (or stream servers), three back ends, and settings at every level."""
    r = random.Random(f"upstreams {seed}")
    lines = ["http {", bench.http_head]
    groups: list[str] = []
    if r.random() < 0.5:
        lines += _settings(r, "proxy", certificates)
    places: list[str] = []
    for number in range(r.choice((2, 3, 4))):
        places += _location(r, number, certificates, groups)
    lines += groups
    lines += ["server {", f"listen 127.0.0.1:{FRONT};", "server_name front.test;"]
    if r.random() < 0.3:
        lines += _settings(r, r.choice(("proxy", "grpc")), certificates)
    lines += [*places, "}"]
    for number in range(3):
        lines += _back(r, number, certificates)
    lines.append("}")
    stream: list[str] = []
    if r.random() < 0.5:
        stream = ["stream {", *_stream(r, certificates), "}"]
    text = bench.head + "\n".join([*lines, *stream]) + "\n"
    version = tuple(map(int, bench.generation.nginx_version.split(".")))
    kept = (line for line in text.split("\n") if version >= (1, 19, 4) or not line.startswith(_SINCE_1_19_4))
    return Case({"nginx.conf": "\n".join(kept).replace("DIR", str(certificates))}, [FRONT], "upstreams")


_SINCE_1_19_4 = ("proxy_ssl_conf_command", "grpc_ssl_conf_command", "uwsgi_ssl_conf_command", "ssl_reject_handshake")


def _address(r: random.Random) -> int:
    return BACKS + r.randrange(3) if r.random() < 0.75 else LISTENERS + r.randrange(4)


def _location(r: random.Random, number: int, certificates: Path, groups: list[str]) -> list[str]:
    family = r.choice(("proxy", "proxy", "proxy", "grpc", "uwsgi"))
    lines = [f"location /{number} {{"]
    if r.random() < 0.8:
        lines += _settings(r, family, certificates)
    port = _address(r) if family != "uwsgi" else LISTENERS + r.randrange(4)
    scheme = SCHEMES[family] if r.random() < 0.95 or family == "uwsgi" else SCHEMES[family][:-1]
    where = r.random()
    if where < 0.2:
        groups += [f"upstream group{number} {{", f"server 127.0.0.1:{port};", "}"]
        host = f"group{number}"
    elif where < 0.3:
        groups += [f"map $host $back{number} {{", f"default 127.0.0.1:{port};", "}"]
        host = f"$back{number}"
    elif where < 0.4:
        lines.append(f"set $to 127.0.0.1:{port};")
        host = "$to"
    else:
        host = f"127.0.0.1:{port}"
    path = "/" if family == "proxy" and r.random() < 0.5 and "$" not in host else ""
    if family == "proxy" and r.random() < 0.3:
        lines.append(f"proxy_set_header Host {r.choice(NAMES)};")
    return [*lines, f"{family}_pass {scheme}://{host}{path};", "}"]


def _settings(r: random.Random, family: str, certificates: Path) -> list[str]:
    lines = []

    def maybe(weight: float, line: str) -> None:
        if r.random() < weight:
            lines.append(f"{family}_ssl_{line};")

    maybe(0.35, f"protocols {r.choice(PROTOCOLS)}")
    maybe(0.25, f'ciphers "{r.choice(CIPHERS)}"')
    maybe(0.5, f"server_name {r.choice(('on', 'on', 'off'))}")
    maybe(0.4, f"name {r.choice(NAMES)}")
    maybe(0.1, "session_reuse off")
    if r.random() < 0.35:
        lines.append(f"{family}_ssl_verify {r.choice(('on', 'on', 'on', 'off'))};")
        trusted = r.choice(("root", "root", "root", "two", "intermediate", "other"))
        lines.append(f"{family}_ssl_trusted_certificate DIR/{trusted}.pem;")
        maybe(0.4, f"verify_depth {r.choice((0, 1, 2))}")
    if r.random() < 0.2:
        label = r.choice(("a-ec", "b-rsa", "foreign"))
        lines.append(f"{family}_ssl_certificate DIR/{label}.pem;")
        lines.append(f"{family}_ssl_certificate_key DIR/{label}.key;")
    maybe(0.15, f"conf_command {r.choice(COMMANDS)}")
    return lines


def _back(r: random.Random, number: int, certificates: Path) -> list[str]:
    """The servers of one back end: one or two on its socket."""
    lines: list[str] = []
    kind = r.choice(("tls", "tls", "tls", "plain"))
    flags = (" ssl" if kind == "tls" else "") + r.choice((" http2", "", "")) * (kind == "tls")
    flags += " proxy_protocol" if r.random() < 0.08 else ""
    for _ in range(r.choice((1, 1, 2))):
        label = r.choice(("a-ec", "a-rsa", "b-rsa", "a-ec-only", "deep", "foreign"))
        lines += ["server {", f"listen 127.0.0.1:{BACKS + number}{flags};", f"server_name {r.choice(NAMES[:3])};"]
        lines += [f"ssl_certificate DIR/{label}.pem;", f"ssl_certificate_key DIR/{label.removesuffix('-only')}.key;"]
        if r.random() < 0.4:
            lines.append(f"ssl_protocols {r.choice(PROTOCOLS)};")
        if r.random() < 0.3:
            lines.append(f'ssl_ciphers "{r.choice(CIPHERS)}";')
        if r.random() < 0.2:
            lines.append(f"ssl_verify_client {r.choice(('on', 'on', 'optional'))};")
            lines.append(f"ssl_client_certificate DIR/{r.choice(('root', 'root', 'other'))}.pem;")
        if r.random() < 0.1:
            lines.append("ssl_reject_handshake on;")
        lines += ["location / {", "return 200 ok;", "}", "}"]
    return lines


def _stream(r: random.Random, certificates: Path) -> list[str]:
    lines = ["server {", f"listen 127.0.0.1:{FRONT + 14};"]
    lines += [line for line in _settings(r, "proxy", certificates) if not line.startswith("proxy_ssl_name $")]
    lines += [f"proxy_ssl {r.choice(('on', 'on', 'on', 'off'))};", "proxy_protocol on;" if r.random() < 0.1 else ""]
    return [*lines, f"proxy_pass 127.0.0.1:{_address(r)};", "}"]


# -- asking the real one ----------------------------------------------------------------------------------------------


class Listeners:
    """Sockets that read one ClientHello after the other and close the connections."""

    def __init__(self, ports: Iterator[int]) -> None:
        self.heard: dict[int, list[bytes]] = {}
        self._sockets = []
        for port in ports:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            self._sockets.append(listener)
            self.heard[port] = []
            threading.Thread(target=self._serve, args=(listener, port), daemon=True).start()

    def _serve(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                data = b""
                while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
                    more = connection.recv(4096)
                    if not more:
                        break
                    data += more
                    if data.startswith(b"PROXY ") and b"\r\n" in data:
                        data = data.partition(b"\r\n")[2]
                if data:
                    self.heard[port].append(data)

    def close(self) -> None:
        """Stop listening."""
        for listener in self._sockets:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def read_hello(record: bytes) -> dict[str, Any] | None:
    """Versions, server name and ALPN of a ClientHello record (RFC 8446, section 4.1.2); None if it is not one."""
    if record[:1] != b"\x16" or record[5:6] != b"\x01":
        return None
    body = record[9:]
    legacy = int.from_bytes(body[:2], "big")
    rest = body[35 + body[34] :]
    rest = rest[2 + int.from_bytes(rest[:2], "big") :]
    rest = rest[1 + rest[0] :]
    extensions: dict[int, bytes] = {}
    rest = rest[2:]
    while len(rest) >= 4:
        size = int.from_bytes(rest[2:4], "big")
        extensions[int.from_bytes(rest[:2], "big")] = rest[4 : 4 + size]
        rest = rest[4 + size :]
    numbers = {number: name for name, number in VERSIONS.items()}
    if listed := extensions.get(43):
        versions = [int.from_bytes(listed[i : i + 2], "big") for i in range(1, len(listed), 2)]
    else:
        versions = [legacy]
    name = extensions.get(0)
    alpn = extensions.get(16, b"")
    return {
        "newest": numbers.get(max(versions)),
        "versions": sorted(filter(None, map(numbers.get, versions))) if 43 in extensions else None,
        "servername": name[5:].decode("latin-1") if name else None,
        "alpn": [alpn[3:].decode("latin-1")] if alpn else [],
    }


def _request(port: int, path: str) -> int | None:
    """The status of a GET, or None where the connection is closed."""
    count()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": "front.test"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def differences(case: Case, bench: Bench) -> list[Difference]:
    """All fields in which nginx and the model differ for a configuration."""
    trial = bench.tried(case.files)
    if not trial.runs:
        return [*trial.differences]
    found: list[Difference] = []
    listeners = Listeners(iter(range(LISTENERS, LISTENERS + 4)))
    try:
        with bench.running(trial.main, FRONT):
            for handshake in upstream_handshakes(trial.configuration):
                found += _compared(handshake, listeners)
    finally:
        listeners.close()
    return found


def _compared(handshake: Any, listeners: Listeners) -> Iterator[Difference]:
    told, target = handshake.to_dict(), handshake.target
    port = FRONT
    path = target.location.pattern if target.location else "/"
    if target.family == "stream":
        port = target.server.listens[0].ports[0]
    place = f"{target.directive.name} line {told['place']['line']}"
    for heard in listeners.heard.values():
        heard.clear()
    status = _request(port, path)
    if handshake.connection is not None:
        if told["result"] is not None and (status == 200) != (told["result"] == "accepted"):
            yield f"{place} result", status, told["result"]
        return
    # A connection that offers nothing may end with an alert, which can come late.
    records = [record for heard in listeners.heard.values() for record in heard]
    hellos = [hello for record in records if (hello := read_hello(record))]
    if any(text.startswith(target.directive_name("conf_command")) for text in told["unknown"]):
        return
    offered = handshake.offer.offered if told["protocols"] or len(handshake.offer.offered) == 0 else None
    if not offered:
        if hellos and offered is not None:
            yield f"{place} offer", hellos[0], "none"
        return
    if not hellos:
        yield f"{place} offer", "none", offered
        return
    hello = hellos[0]
    if hello["newest"] != offered[-1]:
        yield f"{place} newest", hello["newest"], offered
    if hello["versions"] is not None and hello["versions"] != sorted(offered):
        yield f"{place} versions", hello["versions"], offered
    if not any(text.startswith("name:") for text in told["unknown"]) and hello["servername"] != told["servername"]:
        yield f"{place} servername", hello["servername"], told["servername"]
    if hello["alpn"] != told["alpn"]:
        yield f"{place} alpn", hello["alpn"], told["alpn"]
