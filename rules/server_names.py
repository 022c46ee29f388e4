"""Rules about what is written in `server_name`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.serving import titles

from nginxtls.finding import Confidence, Severity
from nginxtls.model.nginx_test.variables import is_built_in
from nginxtls.rule import Rule
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer

NAMES = "https://nginx.org/en/docs/http/ngx_http_core_module.html#server_name"


class VariableInServerName(Rule):
    """`server_name` contains a variable, which nginx does not expand: no client reaches the server by that name.

    nginx matches the text `$server_name` literally (only `$hostname` alone is special), and no host is called so. It is
    often what a template has left. The default server answers instead, with its certificate.

    Clients: the default server answers: NET::ERR_CERT_COMMON_NAME_INVALID, or its pages in place of the site's.

    Fix: write the names of the site, or a regular expression.

    Placeholders in capitals such as `${DOMAIN}` are not reported: `envsubst` replaces them before nginx reads the file.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name $server_name;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com $hostname;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (NAMES,)
    needs = ("server_name",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        for name in server.names if server.module != "mail" else ():
            if name.directive is None or name.form in ("regex", "unknown") or UNKNOWN in name.text:
                continue
            found = re.search(r"\$\{?([A-Za-z_]\w*)", name.text)
            if found is None or not re.search("[a-z]", found[1]):
                continue
            sure = is_built_in(found[1])
            yield self.at(
                name.directive,
                f'no client reaches "{name.text}": nginx does not expand variables in server_name',
                arg=name.arg,
                help="write the names of the site",
                endpoints=titles([server]),
                confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
            )
