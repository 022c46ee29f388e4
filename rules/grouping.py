"""What rules share: one fault at the directive that decides, with all the endpoints that it touches."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.finding import Location
from nginxtls.model.endpoints import ASSUMED_KEYS, origin_of
from nginxtls.tls import PROTOCOLS, CipherString, OpenSSL, Suite, negotiable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.model import Configuration, Endpoint, Kind, Setting, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

OPENSSL_102 = OpenSSL.parse("1.0.2u")
OPENSSL_111 = OpenSSL.parse("1.1.1w")


def spoken(versions: Iterable[str]) -> str:
    """``TLS 1.0 and TLS 1.1``, oldest first."""
    given = set(versions)
    return listed([_spoken(version) for version in PROTOCOLS if version in given])


def _spoken(version: str) -> str:
    return version.replace("TLSv1", "TLS 1.0") if version == "TLSv1" else version.replace("v", " ")


def listed(words: Sequence[str], most: int = 4) -> str:
    """``a, b and c``; of more than ``most`` the first and how many are left."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def titles(endpoints: Iterable[Endpoint]) -> tuple[str, ...]:
    """The endpoints as findings name them, those of a kind one by one, in the order of the configuration."""
    return tuple(dict.fromkeys(endpoint.title for endpoint in everyone(endpoints)))


def sockets(endpoints: Iterable[Endpoint]) -> str:
    """The sockets of some endpoints, in words."""
    return listed(list(dict.fromkeys(endpoint.socket.label for endpoint in everyone(endpoints))))


def everyone(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Each endpoint by itself, in the order of the configuration: for what holds of one of a kind and not of all."""
    return sorted((each for one in endpoints for each in one.everyone), key=lambda endpoint: endpoint.number)


@lru_cache(maxsize=4)
def live(configuration: Configuration) -> list[Endpoint]:
    """The endpoints that are meant to serve: all but those that refuse every handshake on purpose."""
    return [endpoint for endpoint in configuration.endpoints if not endpoint.server.rejects_handshake]


@lru_cache(maxsize=4)
def live_kinds(configuration: Configuration) -> list[Kind]:
    """The kinds of endpoints that are meant to serve, for rules about what those of a kind have in common."""
    return [kind for kind in configuration.kinds if not kind.server.rejects_handshake]


def by_origin(
    configuration: Configuration, name: str, endpoints: Iterable[Endpoint] | None = None
) -> dict[Directive | None, list[Endpoint]]:
    """Endpoints by the directive that decides a setting for them (ssl_conf_command included); None: a default.

    An endpoint is left out where an include that could not be read may override what it inherits. Where no endpoints are given, the live ones by kind.
    """
    if endpoints is None:
        return _all_by_origin(configuration, name)
    found: dict[Directive | None, list[Endpoint]] = {}
    for endpoint in endpoints:
        server = endpoint.tls.decided_by(name)
        origin = origin_of(server, name)
        if origin is None or origin.name in server.scope.own or not server.scope.unread:
            found.setdefault(origin, []).append(endpoint)
    return found


@lru_cache(maxsize=64)
def _all_by_origin(configuration: Configuration, name: str) -> dict[Directive | None, list[Endpoint]]:
    """``by_origin`` of all live kinds, worked out once for all rules that ask."""
    return by_origin(configuration, name, live_kinds(configuration))


def surely_absent(endpoints: Iterable[Endpoint], name: str) -> list[Endpoint]:
    """The endpoints for which a setting is nginx's default beyond doubt."""
    return [endpoint for endpoint in endpoints if is_absent(endpoint.tls.setting(name))]


def is_absent(setting: Setting) -> bool:
    return setting.is_default and setting.certain


def where_missing(configuration: Configuration, endpoints: Sequence[Endpoint]) -> Directive | None:
    """Where to tell of a directive that is missing: the one server that lacks it, or the block around them all."""
    servers = {endpoint.server for endpoint in everyone(endpoints)}
    if len(servers) == 1:
        return next(iter(servers)).directive
    kind = endpoints[0].server.kind
    blocks = [block for block in configuration.directives(kind) if block.block is not None]
    if configuration.kind == "full" and len(blocks) == 1 and all(server.kind == kind for server in servers):
        return blocks[0]
    return endpoints[0].server.directive


def default_is_sure(socket: Socket, configuration: Configuration) -> bool:
    """Whether the socket's default server is known: it says so, or the whole configuration was seen."""
    if socket.explicit_default is not None:
        return True
    if not socket.known:
        return False  # template text in one may be "default_server"
    level = configuration.blocks.get(socket.kind)
    return configuration.kind == "full" and (level is None or level.certain)


def word_place(directive: Directive, arg: int, start: int, end: int) -> Location:
    """Where a part of an argument stands; all of the argument where it is written with escapes."""
    raw, value = directive.arg_text(arg), directive.args[arg]
    at = raw.find(value)
    if at < 0:
        return Location(directive.file, directive.arg_span(arg))
    at += directive.arg_starts[arg]
    return Location(directive.file, directive.file.span(at + start, at + end))


# -- suites ------------------------------------------------------------------------------------------------------------

WORD = re.compile(r"(?P<operator>[-+!@]?)(?P<word>[^:;, ]+)")


def legacy_suites(endpoint: Endpoint) -> tuple[Suite, ...]:
    """The suites of TLS 1.2 and before that a client can get, in the server's order.

    Where the certificate is in no part of the configuration that was seen, RSA and ECDSA are both assumed.
    """
    found: dict[Suite, None] = {}
    for version, suites in suites_by_version(endpoint).items():
        if version != "TLSv1.3":
            found.update(dict.fromkeys(suites))
    return tuple(found)


def suites_by_version(endpoint: Endpoint) -> dict[str, tuple[Suite, ...]]:
    """``EffectiveTLS.suites``, with keys assumed for a server whose certificate was not seen."""
    tls = endpoint.tls
    if tls.bundles or tls.refusal_at_hello or certificate_is_missing(tls.context):
        return tls.suites
    return negotiable(
        keys=ASSUMED_KEYS,
        evaluation=tls.evaluation,
        ciphersuites=tls.ciphersuites,
        protocols=tls.enabled,
        level=tls.level,
        dhparam_bits=tls.dhparam_bits,
        openssl=tls.openssl,
        groups=tls.group_list,
    )


def certificate_is_missing(server: VirtualServer) -> bool:
    """No certificate is in force, beyond doubt."""
    return is_absent(server.setting("ssl_certificate"))


def cipher_text(directive: Directive) -> tuple[str, int]:
    """The cipher string of an ssl_ciphers or an ssl_conf_command CipherString, and the argument it stands in."""
    arg = 0 if directive.name != "ssl_conf_command" else 1
    return (directive.args[arg] if len(directive.args) > arg else ""), arg


def reaches_tls10(text: str) -> bool:
    """Whether a cipher string has a suite that TLS 1.0 can use, on an OpenSSL that still speaks it."""
    suites = CipherString(text).evaluate(OPENSSL_111).usable(0)
    return any("TLSv1" in suite.protocols and not suite.anonymous for suite in suites)
