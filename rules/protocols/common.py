"""What the rules about protocol versions share: references, the legacy versions, and edits of `ssl_protocols`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import listed

from nginxtls.finding import Edit
from nginxtls.model.effective import origin_of, protocol_names
from nginxtls.rule import NGINX_SSL, Fix, locate

if TYPE_CHECKING:
    from nginxtls.model import Endpoint
    from nginxtls.syntax.tree import Directive

SSL_PROTOCOLS = f"{NGINX_SSL}#ssl_protocols"
CHANGES = "https://nginx.org/en/CHANGES"
SSL_CONF = "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/"
LEGACY = frozenset({"TLSv1", "TLSv1.1"})
MODERN = ("TLSv1.2", "TLSv1.3")


def unserved_by_default(endpoint: Endpoint) -> Directive | None:
    """The ssl_protocols of the default server, if OpenSSL, which is known, serves none of its versions at its level."""
    if not endpoint.tls.facts.openssl_known or not endpoint.tls.level_kills_default:
        return None
    setting = endpoint.socket.default.setting("ssl_protocols")
    line = origin_of(endpoint.socket.default, "ssl_protocols")
    return line if line is not None and line.name == "ssl_protocols" and setting.known else None


def without(directive: Directive, args: list[int], safe: bool = False) -> Fix | None:
    """The fix that removes some arguments of an ssl_protocols; None if no version of TLS would remain."""
    kept = [directive.arg_text(i) for i in range(len(directive.args)) if i not in args]
    if directive.name != "ssl_protocols" or not args or not protocol_names(kept) - {"SSLv2", "SSLv3"}:
        return None
    removed = listed([f"`{directive.args[i]}`" for i in args])
    return Fix(f"remove {removed}", (Edit(locate(directive), " ".join([directive.name, *kept])),), safe)
