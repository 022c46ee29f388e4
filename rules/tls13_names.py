"""Rules about names of TLS 1.3 suites from before the standard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import quoted

from nginxtls.finding import Severity
from nginxtls.rule import NGINX_SSL, Fix, Rule, replace_argument
from nginxtls.tls import CipherString, OpenSSL, draft_tls13_suite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive


class DraftTls13SuiteName(Rule):
    """`ssl_ciphers` names TLS 1.3 suites as drafts of OpenSSL 1.1.1 did, and no OpenSSL release knows these names.

    `TLS-AES-256-GCM-SHA384` and `TLS13-AES-256-GCM-SHA384` are now `TLS_AES_256_GCM_SHA384`, and they are not set in
    `ssl_ciphers` at all: OpenSSL 1.1.1 and later enable all TLS 1.3 suites unless `ssl_conf_command Ciphersuites` says
    otherwise. Unknown words are skipped; if nothing else is in the list, nginx does not start (`no cipher match`,
    measured on nginx 1.18.0 to 1.30.6).

    Clients: TLS 1.3 clients get OpenSSL's default suites; if nothing else is in the list, connection refused once nginx
    is restarted.

    Fix: remove these names.

    ```nginx bad
    ssl_ciphers TLS-CHACHA20-POLY1305-SHA256:TLS13-AES-256-GCM-SHA384:ECDHE+AESGCM;
    ```

    ```nginx good
    ssl_ciphers ECDHE+AESGCM;
    ```
    """

    severity = Severity.WARNING
    directives = ("ssl_ciphers", "proxy_ssl_ciphers", "grpc_ssl_ciphers", "uwsgi_ssl_ciphers")
    references = (f"{NGINX_SSL}#ssl_ciphers", "https://www.rfc-editor.org/rfc/rfc8446#appendix-B.4")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.args or not directive.known:
            return
        words = directive.args[0].replace(",", ":").replace(" ", ":").split(":")
        drafts = [word for word in words if draft_tls13_suite(word.lstrip("!+-")) is not None]
        if drafts:
            name = drafts[0].lstrip("!+-")
            yield self.at(
                directive,
                f"{directive.name} does not set TLS 1.3 suites: OpenSSL ignores {name}, "
                f"a draft's name of {draft_tls13_suite(name)}",
                arg=0,
                help=f"remove {', '.join(drafts)}; all TLS 1.3 suites are enabled by default",
                fix=_without(directive, words, drafts),
            )


def _without(directive: Directive, words: list[str], drafts: list[str]) -> Fix | None:
    """The fix that removes the drafts' names; None if no suite remains."""
    kept = ":".join(word for word in words if word and word not in drafts)
    result = CipherString(kept).evaluate(OpenSSL.parse("3.5.0"))
    if result.error or not result.suites:
        return None
    return Fix("remove it", (replace_argument(directive, 0, quoted(kept)),), safe=True)
