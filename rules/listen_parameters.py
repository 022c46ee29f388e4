"""Rules about the parameters of `listen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.finding import Severity
from nginxtls.rule import Fix, Rule, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer

QUIC = "https://nginx.org/en/docs/quic.html"


class RenamedQuicParameter(Rule):
    """`listen … http3` is the name that test builds had: since nginx 1.25.0 the parameter is `quic`.

    nginx does not start: `invalid parameter "http3"` (measured on 1.18.0 to 1.30.6). Guides from the time of the
    nginx-quic branch use the old name.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: write `quic`.

    ```nginx bad
    listen 443 http3 reuseport;
    ```

    ```nginx good
    listen 443 quic reuseport;
    ```
    """

    severity = Severity.ERROR
    since = "nginx 1.25.0"
    references = (QUIC, "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen")
    needs = ("listen",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http":
            return
        for listen in server.listens:
            arg = listen.argument("http3")
            if listen.directive is not None and arg is not None:
                yield self.at(
                    listen.directive,
                    "nginx does not start: the listen parameter http3 is called quic since nginx 1.25.0",
                    arg=arg,
                    help="write quic",
                    fix=Fix("write quic", (replace_argument(listen.directive, arg, "quic"),)),
                )
