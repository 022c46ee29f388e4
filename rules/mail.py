"""Rules about mail clients: logins over TLS, STARTTLS and the authentication server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import put, with_word, written
from nginxtls.rules.common.hosts import is_public_host, without_port

from nginxtls.finding import Confidence, Severity
from nginxtls.model.upstreams import is_local
from nginxtls.rule import Fix, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.syntax.tree import Directive

MAIL = "https://nginx.org/en/docs/mail/ngx_mail_ssl_module.html"
RFC8314 = "https://www.rfc-editor.org/rfc/rfc8314"


class PlainTextMailLogin(Rule):
    """A mail server accepts passwords in plain text: its listener has no TLS, and `starttls` is off.

    `starttls` is `off` by default, and nginx offers plain and login authentication anyway.

    Clients: mail programs that require TLS cannot log in; all others send the password in plain text.

    Fix: `starttls only;` with a certificate, or `listen … ssl` on port 993, 995 or 465.

    Not reported on loopback addresses, and if only methods that do not send the password are offered.

    ```nginx bad
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
        }
    }
    ```

    ```nginx good
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
            starttls only;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (319,)
    references = (f"{MAIL}#starttls", RFC8314)
    needs = ("mail",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        starttls = server.setting("starttls")
        if (
            server.module != "mail"
            or server.fragment
            or starttls.value not in ("", "off")
            or not starttls.certain
            or server.setting("ssl").enabled  # before 1.25.1 TLS at once; since then nginx does not start
        ):
            return
        plain = [socket for socket in server.sockets if not socket.tls and not socket.is_loopback]
        protocol = _protocol(server)
        if not plain or protocol is None or not _takes_passwords(server, protocol):
            return
        begins = [socket for socket in plain if socket.port in BEGIN_WITH_TLS]
        shown = (begins or plain)[0]
        listen = next((li.directive for li in server.listens if shown.port in li.ports and li.directive), None)
        place = listen if begins else starttls.origin or listen
        if place is not None:
            why = "its `listen` has no `ssl`" if begins else "`starttls` is off"
            yield self.at(
                place,
                f"{protocol} clients send passwords in plain text on {shown.label}: {why}",
                help=f"set `listen {place.args[0]} ssl;`" if begins else "set `starttls only;`",
                fix=_only(server, starttls.origin) if not begins else _with_tls(server, place),
                endpoints=[f"{server.title} on {socket.label}" for socket in begins or plain],
            )


BEGIN_WITH_TLS = frozenset({465, 993, 995})
"""The ports on which mail clients begin with TLS (RFC 8314)."""


def _with_tls(server: VirtualServer, listen: Directive) -> Fix | None:
    """The fix that adds ``ssl`` to a listen line; None without a certificate, as nginx would not start."""
    if not server.has_certificate or not listen.known:
        return None
    return Fix("add `ssl`", (with_word(listen, "ssl"),))


class OptionalStarttls(Rule):
    """`starttls on` allows mail clients to continue without TLS, and an attacker on the network can force them to.

    An attacker removes STARTTLS from the capabilities that the server announces. A client that does not require it then
    sends its password in plain text. With `only` nginx rejects that.

    Clients: no difference without an attacker. With one, a mail program set to "TLS if available" sends its password in
    plain text without a warning; one that requires TLS reports an error.

    Fix: `starttls only;`.

    Not reported for SMTP on port 25, where other servers deliver mail and TLS must stay optional.

    ```nginx bad
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
            starttls on;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
            starttls only;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.8
    cwe = (757,)
    references = (f"{MAIL}#starttls", RFC8314)
    needs = ("starttls",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        starttls = server.setting("starttls")
        if server.module != "mail" or starttls.value != "on" or starttls.origin is None:
            return
        plain = [s for s in server.sockets if not s.tls and not s.is_loopback and s.port != 25]
        protocol = _protocol(server)
        if plain and protocol and _takes_passwords(server, protocol):
            yield self.at(
                starttls.origin,
                f"{protocol} clients may send passwords in plain text on {plain[0].label}: `starttls` is optional",
                help="set `starttls only;`",
                fix=_only(server, starttls.origin),
                endpoints=[f"{server.title} on {socket.label}" for socket in plain],
            )


_BY_PORT = {25: "smtp", 587: "smtp", 465: "smtp", 110: "pop3", 995: "pop3", 143: "imap", 993: "imap"}


def _protocol(server: VirtualServer) -> str | None:
    """The mail protocol of a server, by its ``protocol`` or its port; None if unknown."""
    setting = server.setting("protocol")
    if setting.directives:
        return setting.value.lower() if setting.known else None
    return next((_BY_PORT[socket.port] for socket in server.sockets if socket.port in _BY_PORT), None)


def _takes_passwords(server: VirtualServer, protocol: str) -> bool:
    """Whether plain or login is among the authentication methods (they are by default)."""
    setting = server.setting(f"{protocol}_auth")
    if not setting.directives:
        return True
    return bool({"plain", "login"} & {word.lower() for word in setting.values})


class MailAuthOverNetwork(Rule):
    """nginx sends the passwords of mail users to an authentication server on the Internet, in plain HTTP.

    `auth_http` does not support TLS.

    Clients: no difference for mail programs; everyone on the path between nginx and the authentication server can read
    the passwords.

    Fix: use an authentication server on the same host or a private network, or a local proxy that connects to it over
    TLS.

    ```nginx bad
    mail {
        auth_http auth.example.com/auth;
        server {
            listen 993 ssl;
            protocol imap;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    mail {
        auth_http 127.0.0.1:8080/auth;
        server {
            listen 993 ssl;
            protocol imap;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (319,)
    confidence = Confidence.LIKELY
    directives = ("auth_http",)
    references = ("https://nginx.org/en/docs/mail/ngx_mail_auth_http_module.html#auth_http",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterable[Finding]:
        if not directive.args or not directive.known:
            return
        host = without_port((directive.args[0].partition("://")[2] or directive.args[0]).partition("/")[0])
        if is_public_host(host) and not is_local(host):
            yield self.at(
                directive,
                f"mail passwords are sent to {host} in plain HTTP",
                arg=0,
                help="use an authentication server on the same host or a private network",
            )


def _only(server: VirtualServer, origin: Directive | None) -> Fix | None:
    """The fix that requires TLS before a login; None if nginx would not start with it, for lack of a certificate."""
    if not server.has_certificate:
        return None
    if origin is not None:
        return written(origin, "only")
    return put(server.directive, "starttls", "only") if server.directive is not None else None
