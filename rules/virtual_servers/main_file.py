"""A rule about the main file: whether any server was read at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import listed
from nginxtls.rules.virtual_servers.helpers import REQUESTS

from nginxtls.finding import Severity
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration


class MainWithoutServers(Rule):
    """A main file from which no server was read, so that nothing of it is checked.

    nginx starts without any server, and listens on no port. More often the servers are in files that are not here: an
    `include` that leads to another machine, to another repository, or to a folder that is empty.

    Clients: connection refused, if nginx really has no servers; otherwise no difference.

    Fix: check the files with the servers together with this one: name the folder that holds both, or give the place of
    the included paths with `--root` or `--map`.

    ```nginx bad
    events {}
    http {
        include certificates/sites-*.conf;
    }
    ```

    ```nginx good
    events {}
    http {
        server {
            listen 80;
        }
    }
    ```
    """

    severity = Severity.NOTE
    references = ("https://nginx.org/en/docs/ngx_core_module.html#include", REQUESTS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        tree = configuration.tree
        if configuration.completeness != "full" or not tree.roots[0].directives:
            return
        if any(directive.block is not None for directive in configuration.directives("server")):
            return
        unread = [
            directive.written(gap.path) for directive, gaps in tree.unresolved.items() for gap in gaps if not gap.stock
        ]
        empty = [directive.args[0] for directive, files in tree.includes.items() if not files and directive.known]
        notes = [f"not read: {listed(unread)}"] if unread else []
        if empty:
            notes.append(f"no file matches {listed(empty)}")
        main = tree.roots[0]
        checked = " but its own lines" if configuration.servers else ""
        blocks = [directive for directive in main.directives if directive.name in ("http", "stream", "mail")]
        yield self.at(
            (blocks or main.directives)[0],
            f"nothing of {main.name}{checked} is checked: no server could be read",
            notes=notes,
        )
