"""Rules about the identity in a client certificate: how it is matched and forwarded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import name_place, quoted, repeated, with_text
from nginxtls.rules.common.serving import contents, titles, variables
from nginxtls.rules.mtls.helpers import IDENTITY, REQUESTS, VARIABLES

from nginxtls.finding import Edit, Severity
from nginxtls.rule import Fix, Rule, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.syntax.tree import Directive

_SETS = {"proxy_pass": "proxy_set_header", "grpc_pass": "grpc_set_header"}


class LostIdentityHeader(Rule):
    """A header with the client's identity is set at an outer level, and a location with headers of its own does not
    inherit it.

    `proxy_set_header`, `grpc_set_header`, `fastcgi_param` and similar directives are inherited only by a level that has
    none of its own. In such a location the upstream server receives the header that the client itself sent: any client
    can claim any identity.

    Clients: no difference for legitimate clients. A client that sends the header itself is taken for whomever it names.

    Fix: repeat the outer lines in the location.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    proxy_set_header X-Client-DN $ssl_client_s_dn;
    location / {
        proxy_set_header Host $host;
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    proxy_set_header X-Client-DN $ssl_client_s_dn;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (290,)
    references = ("https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_set_header",)
    needs = ("ssl_verify_client",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or server.setting("ssl_verify_client").value not in REQUESTS:
            return
        seen: set[Directive] = set()
        for content in contents(server):
            name = _SETS.get(content.handler.name if content.handler else "")
            if name is None:
                continue
            level, inner = content.scope, content.scope.setting(name).directives
            while not level.own.get(name) and level.parent is not None:
                level = level.parent
            outer = level.parent.setting(name).directives if level.parent and level.own.get(name) else ()
            mine = {line.args[0].lower() for line in inner if line.args}
            lost = [
                line
                for line in outer
                if len(line.args) > 1
                and variables(" ".join(line.args[1:])) & IDENTITY
                and line.args[0].lower() not in mine
            ]
            if lost and inner and inner[0] not in seen and level.certain:
                seen.add(inner[0])
                yield self.at(
                    inner[0],
                    f"clients can forge {lost[0].args[0]} in {content.title}: its own `{name}` replaces the inherited"
                    " ones",
                    label=f"a level with `{name}` inherits none",
                    labels=[label(lost[0], "not inherited")],
                    help=f"add `{name} {lost[0].args[0]} {lost[0].args[1]};` to this level",
                    fix=repeated(lost[0], inner[-1]),
                    endpoints=titles([server]),
                )


class ClientCertificateInHeader(Rule):
    """`$ssl_client_cert` is sent in a header, which the upstream server may reject or misread: a header cannot contain
    line breaks.

    nginx writes the PEM on several lines, each but the first starting with a tab. RFC 9110 forbids such line folding.
    The variable is deprecated since nginx 1.13.5.

    Clients: a back end that follows RFC 9110 answers `400 Bad Request`; others may see no certificate, or its first
    line alone.

    Fix: use `$ssl_client_escaped_cert` (nginx 1.13.5), and decode it in the application.

    ```nginx bad
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    location / {
        proxy_set_header X-Client-Certificate $ssl_client_cert;
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    location / {
        proxy_set_header X-Client-Certificate $ssl_client_escaped_cert;
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    since = "nginx 1.13.5"
    directives = ("proxy_set_header", "grpc_set_header", "add_header")
    references = (VARIABLES, "https://www.rfc-editor.org/rfc/rfc9440")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        for index, argument in enumerate(directive.args[1:], 1):
            names = variables(argument)
            if configuration.facts.assumed_nginx.at_least(1, 13, 5) and names & {
                "ssl_client_cert",
                "ssl_client_raw_cert",
            }:
                which = "$ssl_client_cert" if "ssl_client_cert" in names else "$ssl_client_raw_cert"
                yield self.at(
                    directive,
                    f"`{which}` contains line breaks, which are not allowed in a header",
                    arg=index,
                    help=f"replace `{which}` with `$ssl_client_escaped_cert`",
                    fix=with_text(directive, index, which, "$ssl_client_escaped_cert"),
                )


class LooseDnMatch(Rule):
    """A regular expression for the name in a client certificate is not anchored, so other names match as well.

    `CN=admin` also matches `CN=admin2`, an organization in `O=CN=admin`, and whatever else a CA can be persuaded to
    certify. The name is in RFC 2253 format, most specific part first: `CN=admin,OU=ops,O=Example`.

    Clients: no difference for the intended clients. Whoever gets a certificate with a name that contains the pattern is
    let in as well.

    Fix: anchor both ends, `"~^CN=admin,OU=ops,O=Example$"`, or compare the whole name with `=`.

    ```nginx bad
    location / {
        if ($ssl_client_s_dn !~ "CN=admin") {
            return 403;
        }
    }
    ```

    ```nginx good
    location / {
        if ($ssl_client_s_dn !~ "^CN=admin,OU=ops,O=Example$") {
            return 403;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (625,)
    directives = ("if", "map")
    references = (VARIABLES, "https://www.rfc-editor.org/rfc/rfc4514")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not directive.args or not directive.args[0].startswith(("$ssl_client_s_dn", "$ssl_client_i_dn")):
            return
        if directive.name == "if":
            if len(directive.args) >= 3 and "~" in directive.args[1] and _loose(directive.args[2]):
                yield self._finding(directive, directive.args[2], 2)
            return
        for line in directive.block or ():
            if line.name.startswith("~") and line.args and _loose(line.name.lstrip("~*")):
                yield self._finding(line, line.name, None)

    def _finding(self, directive: Directive, pattern: str, arg: int | None) -> Finding:
        return self.at(
            directive,
            f'"{pattern}" also matches other names: it is not anchored at both ends',
            arg=arg,
            help="match the whole attribute: `(^|,)…(,|$)`",
            fix=_anchored(directive, pattern, arg),
        )


def _loose(pattern: str) -> bool:
    """Whether a pattern contains an attribute and is not anchored at both ends."""
    if "=" not in pattern:
        return False
    starts = pattern.startswith(("^", "(^|,)", "(?:^|,)"))
    return not (starts and re.search(r"(?:\$|,|\)|\.\*)$", pattern))


class OldDnFormat(Rule):
    """The name in a client certificate is compared with the slash format, which nginx has not used since 1.11.6.

    Since then `$ssl_client_s_dn` is `CN=admin,O=Example` (RFC 2253), and `/O=Example/CN=admin` is in
    `$ssl_client_s_dn_legacy`. The comparison never matches: a condition that grants access denies it, and one that
    denies access grants it.

    Clients: those who are to be let in are denied, or those who are to be denied are let in, depending on the
    condition.

    Fix: write the name in the new format, or compare `$ssl_client_s_dn_legacy`.

    ```nginx bad
    location / {
        if ($ssl_client_s_dn != "/O=Example/CN=admin") {
            return 403;
        }
    }
    ```

    ```nginx good
    location / {
        if ($ssl_client_s_dn != "CN=admin,O=Example") {
            return 403;
        }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (863,)
    since = "nginx 1.11.6"
    directives = ("if", "map")
    references = (VARIABLES, "https://nginx.org/en/CHANGES")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.assumed_nginx.at_least(1, 11, 6):
            return
        if directive.args[:1] not in (("$ssl_client_s_dn",), ("$ssl_client_i_dn",)):
            return
        if directive.name == "if":
            if len(directive.args) >= 3 and _slashed(directive.args[2]):
                yield self._finding(directive, directive.args[2], 2)
            return
        for line in directive.block or ():
            if line.args and _slashed(line.name):
                yield self._finding(line, line.name, None)

    def _finding(self, directive: Directive, text: str, arg: int | None) -> Finding:
        return self.at(
            directive,
            f'no client certificate matches "{text}": since nginx 1.11.6 names have the form `CN=admin,O=Example`',
            arg=arg,
            help="write the name in the new format, or compare `$ssl_client_s_dn_legacy`",
            fix=_in_new_format(directive, text, arg),
        )


def _slashed(text: str) -> bool:
    """Whether a name is in the slash format: ``/O=Example/CN=admin``."""
    return bool(re.match(r"[~*^\\]*/[A-Za-z]+=", text))


def _in_new_format(line: Directive, text: str, arg: int | None) -> Fix | None:
    """The fix that writes a name as RFC 2253 does; None for patterns and for values that need escapes."""
    if not re.fullmatch(r"(/[A-Za-z]+=[\w .@-]+)+", text):
        return None
    name = quoted(",".join(reversed(text[1:].split("/"))))
    edit = replace_argument(line, arg, name) if arg is not None else Edit(name_place(line), name)
    return Fix("write the name in the new format", (edit,))


def _anchored(line: Directive, pattern: str, arg: int | None) -> Fix | None:
    """The fix that anchors a pattern at the ends of an attribute; None if it is more than literal text."""
    mark = re.match(r"~?\*?", pattern)
    operator = mark[0] if mark and arg is None else ""
    text = pattern.removeprefix(operator)
    if not re.fullmatch(r"\^?[\w =.@-]+\$?", text):
        return None
    whole = text if text.startswith("^") else f"(^|,){text}"
    whole = whole if whole.endswith("$") else f"{whole}(,|$)"
    name = f'"{operator}{whole}"'
    edit = replace_argument(line, arg, name) if arg is not None else Edit(name_place(line), name)
    return Fix("match the whole attribute", (edit,))
