"""What nginx loads for Encrypted ClientHello (ssl_ech_file), and which servers it then serves.

After ngx_ssl_ech_files() of 1.31.4, measured with OpenSSL 4.0.3 and 3.6.5.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.model.store import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.servers import VirtualServer
    from nginxtls.syntax.tree import Directive

#: The first OpenSSL with Encrypted ClientHello.
SINCE = (4, 0)
_LABEL = re.compile(rb"^-----BEGIN ([A-Z ]+)-----", re.MULTILINE)
IGNORED = '"ssl_ech_file" is not supported on this platform, ignored'


def files(server: VirtualServer) -> tuple[Directive, ...]:
    """The lines that name the key files of a server."""
    return tuple(server.setting("ssl_ech_file").directives)


def problems(server: VirtualServer) -> Iterator[tuple[Directive, str, str]]:
    """What nginx says of the lines: the directive, the level and the text.

    Nothing as long as OpenSSL is unknown: versions before 4.0 ignore the file, later ones refuse to start without it.
    """
    facts = server.facts
    if not facts.openssl_known:
        return
    for directive in files(server):
        if facts.openssl.version < SINCE:
            yield directive, "warn", IGNORED
        elif (path := _path(directive)) and server.store.is_missing(path):
            yield directive, "emerg", f'BIO_new_file("{path}") failed: no such file'
        elif path and (content := server.store.read(path, directive)[0]) is not None and (why := malformed(content)):
            yield directive, "emerg", f"OSSL_ECHSTORE_read_pem({path}) failed: {why}"


def malformed(content: bytes) -> str:
    """Why OpenSSL 4 does not load a file of keys (OSSL_ECHSTORE_read_pem); empty where its PEM blocks are in order.

    The first private key is looked for, past ECHCONFIGs, and its ECHCONFIG is the next block. Without any private key
    only the first block counts.
    """
    labels: list[str] = [match[1].decode("ascii") for match in _LABEL.finditer(content)]
    if "ECHCONFIG" not in labels:
        return "the file has no ECHCONFIG"
    first = next((number for number, label in enumerate(labels) if label.endswith("PRIVATE KEY")), None)
    if first is not None:
        in_order = {*labels[:first]} <= {"ECHCONFIG"} and labels[first + 1 : first + 2] == ["ECHCONFIG"]
        return "" if in_order else "the ECHCONFIG does not follow the private key"
    return "" if labels[0] == "ECHCONFIG" else f"the file starts with a {labels[0]}"


def _path(directive: Directive) -> str:
    path = directive.args[0] if directive.args and directive.known else ""
    return path if is_file(path) else ""


def decides(server: VirtualServer) -> bool:
    """Whether the keys of a server are ever used: those of a socket's default server decrypt the ClientHello."""
    mine = server.setting("ssl_ech_file").values
    return any(socket.default.setting("ssl_ech_file").values == mine for socket in server.sockets if socket.tls)
