"""What the rules about protocol versions share: references, the legacy versions, and edits of `ssl_protocols`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import listed

from nginxtls.finding import Edit
from nginxtls.model.effective import protocol_names
from nginxtls.rule import NGINX_SSL, Fix, locate

if TYPE_CHECKING:
    from nginxtls.syntax.tree import Directive

SSL_PROTOCOLS = f"{NGINX_SSL}#ssl_protocols"
CHANGES = "https://nginx.org/en/CHANGES"
SSL_CONF = "https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/"
LEGACY = frozenset({"TLSv1", "TLSv1.1"})
MODERN = ("TLSv1.2", "TLSv1.3")


def without(directive: Directive, args: list[int], safe: bool = False) -> Fix | None:
    """The fix that removes some arguments of an ssl_protocols; None if no version of TLS would remain."""
    kept = [directive.arg_text(i) for i in range(len(directive.args)) if i not in args]
    if directive.name != "ssl_protocols" or not args or not protocol_names(kept) - {"SSLv2", "SSLv3"}:
        return None
    removed = listed([f"`{directive.args[i]}`" for i in args])
    return Fix(f"remove {removed}", (Edit(locate(directive), " ".join([directive.name, *kept])),), safe)
