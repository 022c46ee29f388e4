"""Rules about files as they lie on this machine: missing ones, keys that others may get at, keys in a repository."""

from __future__ import annotations

import posixpath
import stat
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.rules.bundles import served_on

from nginxtls.finding import Severity
from nginxtls.lazy import NamedTuple, pattern
from nginxtls.model.certificates import is_file
from nginxtls.rule import NGINX_SSL, Rule, label
from nginxtls.syntax.checkouts import checkout_of, is_tracked
from nginxtls.syntax.files import Unreachable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive

KEY = f"{NGINX_SSL}#ssl_certificate_key"
SECRETS = (
    "ssl_certificate_key",
    "ssl_password_file",
    "ssl_session_ticket_key",
    "ssl_ech_file",
    "proxy_ssl_certificate_key",
    "proxy_ssl_password_file",
    "grpc_ssl_certificate_key",
    "uwsgi_ssl_certificate_key",
)
TEST_FOLDER = pattern(
    r"(^|[-_.])(tests?|testing|testdata|fixtures?|specs?|examples?|samples?|demos?|mocks?|dev|development)($|[-_.])"
)
"""Folders whose keys are there to be seen."""


def path_of(directive: Directive) -> str | None:
    """The path of a file that a directive names, if it is known."""
    path = directive.args[0] if directive.args else ""
    return path if path and directive.known and is_file(path) else None


def real_path(directive: Directive, configuration: Configuration) -> str | None:
    """Where the file of a directive really is, if it may be looked at."""
    path = path_of(directive)
    return None if path is None else _located(path, configuration)


@lru_cache(maxsize=4096)
def _located(path: str, configuration: Configuration) -> str | None:
    found = configuration.files.locate(path, configuration.base) if configuration.files else None
    return str(found) if found else None


class OnDisk(NamedTuple):
    """A file of this machine with the folders that lead to it, the nearest first, each with its state."""

    path: str
    state: os.stat_result
    folders: dict[str, os.stat_result]
    """Those of the file itself, where links lead to it."""
    named: dict[str, os.stat_result]
    """Those of the path in the configuration, if that is a link from elsewhere."""

    @property
    def mode(self) -> int:
        return stat.S_IMODE(self.state.st_mode)


def on_disk(directive: Directive, configuration: Configuration) -> OnDisk | None:
    """The file that a directive names, if it is one of a machine or an image; modes in a checkout mean nothing."""
    path, files = path_of(directive), configuration.files
    if path is None or files is None or not configuration.sees_machine:
        return None
    real = real_path(directive, configuration)
    if real is None or checkout_of(posixpath.dirname(real)) is not None:
        return None
    state = files.stat(path, configuration.base)
    if isinstance(state, Unreachable) or not stat.S_ISREG(state.st_mode):
        return None
    named = files.locate(posixpath.dirname(path) or ".", configuration.base)
    real_folder = posixpath.dirname(real)
    others = _folders(str(named), configuration) if named and str(named) != real_folder else {}
    return OnDisk(path, state, _folders(real_folder, configuration), others)


@lru_cache(maxsize=256)
def _folders(folder: str, configuration: Configuration) -> dict[str, os.stat_result]:
    """A real folder and those above it, by their paths on the machine that the configuration is for."""
    files, found = configuration.files, {}
    assert files
    parts = [part for part in posixpath.relpath(folder, files.root or "/").split("/") if part != "."]
    # The top of an image is a folder of the machine that holds it.
    for depth in range(len(parts), 0 if files.root else -1, -1):
        path = "/" + "/".join(parts[:depth])
        state = files.stat(path)
        if not isinstance(state, Unreachable):
            found[path] = state
    return found


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
        file = on_disk(directive, configuration)
        if file is None or not all(state.st_mode & stat.S_IXOTH for state in file.folders.values()):
            return
        others = file.mode & (stat.S_IROTH | stat.S_IWOTH)
        if others:
            what = "read" if others & stat.S_IROTH else "changed"
            yield self.at(
                directive,
                f"{file.path} can be {what} by every user: its mode is {file.mode:04o}",
                arg=0,
                help=f"chmod 600 {file.path}",
            )


class KeyInWritableFolder(Rule):
    """Every user of the machine can put another file in the place of a key: a folder on the way to it is open to all.

    Who may write into a folder may rename and replace what is in it, whatever the file's own mode is, unless the folder
    is sticky as `/tmp` is. nginx then serves with a key that somebody else knows, at the next reload.

    Mend: `chmod o-w` for the folder.

    It looks only at the files of a machine or an image (`/etc/nginx`, `--root`), not at a repository's.

    ```nginx bad
    # drwxrwxrwx root root /etc/nginx/tls
    ssl_certificate_key /etc/nginx/tls/shop.key;
    ```

    ```nginx good
    # drwxr-xr-x root root /etc/nginx/tls
    ssl_certificate_key /etc/nginx/tls/shop.key;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.1
    cwe = (732,)
    references = (KEY, "https://cwe.mitre.org/data/definitions/732.html")
    directives = SECRETS

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        file = on_disk(directive, configuration)
        if file is None:
            return
        for way in (file.named, file.folders):
            reached = True
            for folder, state in reversed(way.items()):
                reached = reached and bool(state.st_mode & stat.S_IXOTH)
                if reached and state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_ISVTX:
                    yield self.at(
                        directive,
                        f"every user can replace {file.path}: the mode of {folder} is "
                        f"{stat.S_IMODE(state.st_mode):04o}",
                        arg=0,
                        help=f"chmod o-w {folder}",
                    )
                    return


class KeyOwnedByWorker(Rule):
    """A private key, or a folder on the way to it, belongs to the user as whom nginx's workers run.

    Workers speak with the whole world, and do it without the master's rights so that a break-in into one does not give
    away the keys: the master, root, has read them before. Who owns a file or its folder can read or replace it,
    whatever the mode is.

    Mend: `chown root`.

    Told only where a `user` line shows that the master runs as root, and where the user is known (`/etc/passwd` of the
    machine or image). Certificates with variables in their path are loaded by workers, and are not looked at.

    ```nginx bad
    # -rw------- www-data www-data /etc/nginx/tls/shop.key
    user www-data;
    events {}
    http {
        ssl_certificate_key /etc/nginx/tls/shop.key;
    }
    ```

    ```nginx good
    # -rw------- root root /etc/nginx/tls/shop.key
    user www-data;
    events {}
    http {
        ssl_certificate_key /etc/nginx/tls/shop.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.5
    cwe = (282,)
    references = (KEY, "https://nginx.org/en/docs/ngx_core_module.html#user")
    directives = SECRETS

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        users = configuration.directives("user")
        name = users[0].args[0] if len(users) == 1 and users[0].known and users[0].args else "root"
        file = on_disk(directive, configuration) if name != "root" else None
        number = _user_number(name, configuration) if file else None
        if file is None or number is None:
            return
        folders = [folder for folder, state in file.folders.items() if state.st_uid == number]
        owned = file.path if file.state.st_uid == number else next(iter(folders), None)
        if owned:
            yield self.at(
                directive,
                f"{owned} belongs to {name}, as whom the workers run: a break-in into one gives away the key",
                arg=0,
                labels=[label(users[0], "the workers' user", 0)],
                help=f"chown root {owned}",
            )


def _user_number(name: str, configuration: Configuration) -> int | None:
    """The number of a user of the machine that the configuration is for; None for root and who is not known."""
    content = configuration.files.read("/etc/passwd") if configuration.files else None
    for line in content.decode("utf-8", "replace").splitlines() if isinstance(content, bytes) else ():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 2 and fields[2].isdecimal():
            return int(fields[2]) or None
    return None


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

    It is told only where all of the machine or image may be looked at, and of whole configurations: nginx may never
    load a file that nothing includes, such as a site that is not enabled. Elsewhere it is counted as not checked.

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
        if configuration.kind != "full":
            return
        for bundle in configuration.bundles:
            for directive, path, also in (
                (bundle.directive, bundle.path, bundle.also),
                (bundle.key_directive, bundle.key_path, bundle.also_key),
            ):
                if directive is not None and path and configuration.is_missing(path):
                    yield self.at(
                        directive,
                        f"nginx does not start: {path} does not exist",
                        arg=0,
                        help="correct the path, or get the file",
                        endpoints=served_on(bundle.servers),
                        also=also,
                    )
