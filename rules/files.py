"""Rules about files as they lie on this machine: missing ones, keys that others may read, keys in a repository."""

from __future__ import annotations

import posixpath
import re
import stat
from typing import TYPE_CHECKING

from nginxtls.rules.bundles import served_on

from nginxtls.finding import Severity
from nginxtls.model.certificates import is_file
from nginxtls.rule import NGINX_SSL, Rule
from nginxtls.syntax.checkouts import checkout_of, is_tracked
from nginxtls.syntax.files import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive

KEY = f"{NGINX_SSL}#ssl_certificate_key"
SECRETS = (
    "ssl_certificate_key",
    "ssl_password_file",
    "ssl_session_ticket_key",
    "proxy_ssl_certificate_key",
    "proxy_ssl_password_file",
    "grpc_ssl_certificate_key",
    "uwsgi_ssl_certificate_key",
)
TEST_FOLDER = re.compile(
    r"(^|[-_.])(tests?|testing|testdata|fixtures?|specs?|examples?|samples?|demos?|mocks?|dev|development)($|[-_.])"
)
"""Folders whose keys are there to be seen."""


def path_of(directive: Directive) -> str | None:
    """The path of a file that a directive names, if it is known."""
    path = directive.args[0] if directive.args else ""
    return path if path and directive.known and is_file(path) else None


def real_path(directive: Directive, configuration: Configuration) -> str | None:
    """Where the file of a directive really is, if it may be looked at."""
    path, files = path_of(directive), configuration.files
    if path is None or files is None:
        return None
    found = files.locate(path, configuration.base)
    return str(found) if found else None


class KeyReadableByOthers(Rule):
    """A private key, a password or a ticket key can be read by every user of the machine.

    nginx's master process reads keys as root before it gives its rights away, so nobody else needs to. Any program that
    is broken into, and any backup, could take the key.

    Mend: `chmod 600` and `chown root`, or 640 for a group such as Debian's `ssl-cert`.

    It looks only at the files of a machine or an image (`/etc/nginx`, `--root`), not at a repository's: git keeps no
    modes.

    ```nginx bad
    # -rw-r--r-- root root /etc/ssl/private/shop.key
    ssl_certificate_key /etc/ssl/private/shop.key;
    ```

    ```nginx good
    # -rw-r----- root ssl-cert /etc/ssl/private/shop.key
    ssl_certificate_key /etc/ssl/private/shop.key;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.1
    cwe = (732,)
    references = (KEY, "https://cwe.mitre.org/data/definitions/732.html")
    directives = SECRETS

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        path, files = path_of(directive), configuration.files
        if path is None or files is None or (files.root is None and "/" not in files.allowed):
            return
        real = real_path(directive, configuration)
        if real is None or checkout_of(posixpath.dirname(real)) is not None:
            return
        status = files.stat(path, configuration.base)
        if isinstance(status, Unreachable) or not stat.S_ISREG(status.st_mode):
            return
        others = status.st_mode & (stat.S_IROTH | stat.S_IWOTH)
        if others:
            what = "read" if others & stat.S_IROTH else "changed"
            yield self.at(
                directive,
                f"{path} can be {what} by every user: its mode is {stat.S_IMODE(status.st_mode):04o}",
                arg=0,
                help=f"chmod 600 {path}",
            )


class KeyInRepository(Rule):
    """A private key is under version control: whoever has a copy of the repository has the key, for ever.

    Taking it out does not help; it stays in the history and in all clones.

    Mend: make a new key, revoke the certificate, and bring keys to the server by other means.

    Keys that git does not have (ignored ones, say) are not told, nor those in folders for tests and examples.
    Encrypted keys are told as a warning.

    ```nginx bad
    # git ls-files: tls/shop.key
    ssl_certificate_key tls/shop.key;
    ```

    ```nginx good
    ssl_certificate_key /run/secrets/shop.key;
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.1
    cwe = (321, 538)
    references = (KEY, "https://cwe.mitre.org/data/definitions/321.html")
    directives = ("ssl_certificate_key", "proxy_ssl_certificate_key", "grpc_ssl_certificate_key")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        path, files = path_of(directive), configuration.files
        real = real_path(directive, configuration)
        if path is None or files is None or real is None or not is_tracked(real):
            return
        top = checkout_of(posixpath.dirname(real)) or "/"
        inside = posixpath.relpath(real, top)
        if any(TEST_FOLDER.search(part.lower()) for part in inside.split("/")[:-1]):
            return
        content = files.read(path, configuration.base)
        if not isinstance(content, bytes) or b"PRIVATE KEY-----" not in content:
            return
        finding = self.at(
            directive,
            f"the private key {inside} is under version control",
            arg=0,
            help="make a new key, and keep it out of the repository",
        )
        encrypted = b"ENCRYPTED" in content
        yield finding.but(severity=Severity.WARNING, security_severity=5.0) if encrypted else finding


class MissingCertificateFile(Rule):
    """A certificate or key that the configuration names does not exist, and nginx does not start.

    Even one that would never be used stops it, as in a server that does not listen with TLS (measured).

    Mend: correct the path, or get the file.

    It is told only where all of the machine or image may be looked at; elsewhere the file is counted as not checked.

    ```nginx bad
    # /etc/nginx/tls/shop.pem is not there
    ssl_certificate /etc/nginx/tls/shop.pem;
    ```

    ```nginx good
    ssl_certificate /etc/nginx/tls/$ssl_server_name.pem;
    ```
    """

    severity = Severity.ERROR
    references = (f"{NGINX_SSL}#ssl_certificate", KEY)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for bundle in configuration.bundles:
            for directive, path in ((bundle.directive, bundle.path), (bundle.key_directive, bundle.key_path)):
                if directive is not None and path and configuration.is_missing(path):
                    yield self.at(
                        directive,
                        f"nginx does not start: {path} does not exist",
                        arg=0,
                        help="correct the path, or get the file",
                        endpoints=served_on(bundle.servers),
                    )
