"""Which servers request client certificates, and the CA and CRL files that they load."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.serving import Content

from nginxtls.rule import NGINX_SSL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.pki import Certificate
    from nginxtls.pki.crl import RevocationList
    from nginxtls.syntax.tree import Directive

VERIFY = f"{NGINX_SSL}#ssl_verify_client"
VARIABLES = f"{NGINX_SSL}#variables"
REQUESTS = ("on", "optional", "optional_no_ca")
"""The values of ``ssl_verify_client`` with which nginx requests a certificate."""
IDENTITY = frozenset(
    "ssl_client_verify ssl_client_cert ssl_client_raw_cert ssl_client_escaped_cert ssl_client_fingerprint "
    "ssl_client_s_dn ssl_client_i_dn ssl_client_s_dn_legacy ssl_client_i_dn_legacy ssl_client_serial "
    "ssl_client_v_start ssl_client_v_end ssl_client_v_remain".split()
)
"""The variables that contain the certificate, a part of it, or the result of its verification."""


def requesting(configuration: Configuration, *values: str) -> list[VirtualServer]:
    """The servers with TLS whose ``ssl_verify_client`` is one of these values (any but off if none is given)."""
    return [
        server
        for server in configuration.servers
        if server.setting("ssl_verify_client").value in (values or REQUESTS)
        and server.setting("ssl_verify_client").known
        and (server.fragment or server.speaks_tls)
    ]


def by_directive(servers: Iterable[VirtualServer], *names: str) -> dict[Directive, list[VirtualServer]]:
    """Servers by the directive of these names that applies to them."""
    found: dict[Directive, list[VirtualServer]] = {}
    for server in servers:
        for name in names:
            origin = server.setting(name).origin
            if origin is not None and origin.args:
                found.setdefault(origin, []).append(server)
    return found


def verifying_by(configuration: Configuration, name: str) -> dict[Directive, list[VirtualServer]]:
    """The servers that verify client certificates, by the directive of this name that applies to them."""
    return configuration.memo(
        ("verifying by", name), lambda: by_directive(requesting(configuration, "on", "optional"), name)
    )


def read_cas(configuration: Configuration, directive: Directive) -> tuple[Certificate, ...]:
    """The certificates of a CA file; none if it cannot be read."""
    bundle, _ = configuration.store.read_bundle(directive.args[0], directive)
    return bundle.certificates if bundle else ()


def read_crls(configuration: Configuration, directive: Directive) -> tuple[RevocationList, ...]:
    """The revocation lists of a CRL file; none if it cannot be read."""
    found = configuration.store.read_crl(directive)
    return found.lists if found else ()


def common_name(name: str) -> str:
    """The common name in a distinguished name, or the whole name if it has none."""
    found = re.search(r"(?:^|,)CN=((?:\\.|[^,\\])+)", name)
    return found[1] if found else name


def is_public(content: Content) -> bool:
    """Whether a location is usually public on purpose."""
    pattern = content.location.pattern if content.location else "/"
    if "acme-challenge" in pattern or "well-known" in pattern:
        return True
    return content.handler is None or content.handler.name == "return" if pattern != "/" else False
