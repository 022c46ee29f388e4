"""Helpers to report one fault at the directive that decides it, with all the endpoints that it affects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.finding import Location
from nginxtls.tls import PROTOCOLS, CipherString, OpenSSL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.model import Configuration, Endpoint, Setting, Socket
    from nginxtls.syntax.tree import Directive

OPENSSL_111 = OpenSSL.parse("1.1.1w")


def spoken(versions: Iterable[str]) -> str:
    """``TLS 1.0 and TLS 1.1``, oldest first."""
    given = set(versions)
    return listed([_spoken(version) for version in PROTOCOLS if version in given])


def _spoken(version: str) -> str:
    return version.replace("TLSv1", "TLS 1.0") if version == "TLSv1" else version.replace("v", " ")


def listed(words: Sequence[str], most: int = 4) -> str:
    """``a, b and c``; with more than ``most`` items, the first ones and the number of the others."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def titles(endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
    """The titles of the endpoints, with each member of a group, in the order of the configuration."""
    return tuple(dict.fromkeys(endpoint.title for endpoint in everyone(endpoints)))


def sockets(endpoints: Iterable[Endpoint]) -> str:
    """The sockets of endpoints, as text for messages."""
    return listed(list(dict.fromkeys(endpoint.socket.label for endpoint in everyone(endpoints))))


def everyone(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The members of all groups in the order of the configuration, for facts that differ within a group."""
    return sorted((each for one in endpoints for each in one.everyone), key=lambda endpoint: endpoint.number)


def surely_absent(endpoints: Iterable[Endpoint], name: str) -> list[Endpoint]:
    """The endpoints for which a setting certainly has nginx's default value."""
    return [endpoint for endpoint in endpoints if is_absent(endpoint.tls.setting(name))]


def is_absent(setting: Setting) -> bool:
    """Whether a setting certainly has nginx's default value."""
    return setting.is_default and setting.certain


def where_missing(configuration: Configuration, endpoints: Sequence[Endpoint], name: str) -> Directive | None:
    """Where to report a missing directive: at the only server whose directive would count (the default server for some
    settings), or at the block around all servers."""
    servers = {endpoint.tls.decided_by(name) for endpoint in everyone(endpoints)}
    if len(servers) == 1:
        return next(iter(servers)).directive
    kind = endpoints[0].server.module
    blocks = [block for block in configuration.directives(kind) if block.block is not None]
    if configuration.completeness == "full" and len(blocks) == 1 and all(server.module == kind for server in servers):
        return blocks[0]
    return endpoints[0].tls.decided_by(name).directive


def default_is_sure(socket: Socket, configuration: Configuration) -> bool:
    """Whether the default server of a socket is known: it is marked, or the configuration is complete."""
    if socket.explicit_default is not None:
        return True
    if not socket.known:
        return False  # a template expression may expand to "default_server"
    level = configuration.blocks.get(socket.module)
    return configuration.completeness == "full" and (level is None or level.certain)


def _value_start(directive: Directive, arg: int) -> int:
    """The offset at which the value of an argument is written; -1 if it is written with escapes."""

    def found() -> int:
        at = directive.arg_text(arg).find(directive.args[arg])
        return at if at < 0 else at + directive.arg_starts[arg]

    return directive.file.recent((directive, arg), found)


def word_place(directive: Directive, arg: int, start: int, end: int) -> Location:
    """The location of a part of an argument; the whole argument if it is written with escapes."""
    at = _value_start(directive, arg)
    if at < 0:
        return Location(directive.file, directive.arg_span(arg))
    return Location(directive.file, directive.file.span(at + start, at + end))


# -- suites ------------------------------------------------------------------------------------------------------------

WORD = re.compile(r"(?P<operator>[-+!@]?)(?P<word>[^:;, ]+)")


def cipher_text(directive: Directive) -> tuple[str, int]:
    """The cipher string of an ssl_ciphers or an ssl_conf_command CipherString, and the index of its argument."""
    arg = 0 if directive.name != "ssl_conf_command" else 1
    return (directive.args[arg] if len(directive.args) > arg else ""), arg


def reaches_tls10(text: str) -> bool:
    """Whether a cipher string contains a suite for TLS 1.0, evaluated by an OpenSSL that still supports it."""
    suites = CipherString(text).evaluate(OPENSSL_111).usable(0)
    return any("TLSv1" in suite.protocols and not suite.anonymous for suite in suites)
