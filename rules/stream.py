"""Rules about stream servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import added

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration

STREAM = "https://nginx.org/en/docs/stream/ngx_stream_core_module.html#server"


class StreamServerWithoutHandler(Rule):
    """A stream server says nothing of what to do with a connection, and nginx before 1.27.1 does not start.

    The message is `[emerg] no handler for server` (measured on 1.18.0, 1.22.1 and 1.26.3; 1.30.6 starts). A default
    server with `ssl_reject_handshake on;` needs a handler like any other, though no connection ever reaches it.

    Clients: before nginx 1.27.1 connection refused once it is restarted; since then nginx starts.

    Fix: add `return "";`.

    ```nginx bad, nginx: 1.26.3
    stream {
        server {
            listen 443 ssl default_server;
            ssl_reject_handshake on;
        }
    }
    ```

    ```nginx good, nginx: 1.26.3
    stream {
        server {
            listen 443 ssl default_server;
            ssl_reject_handshake on;
            return "";
        }
    }
    ```
    """

    severity = Severity.ERROR
    since = "before nginx 1.27.1"
    references = (STREAM, "https://nginx.org/en/CHANGES")
    needs = ("stream",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "handler":
                yield self.at(
                    refusal.directive,
                    f"nginx {configuration.facts.nginx} does not start: nothing in this server handles connections",
                    help='add return "";',
                    fix=added(refusal.directive, 'return "";'),
                )
