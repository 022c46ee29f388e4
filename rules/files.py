"""Rules about files on disk: missing files, keys that other users can access, keys in a repository."""

from __future__ import annotations

import posixpath
import stat
from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import served_on

from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.finding import Severity
from nginxtls.model.includes import failed_includes
from nginxtls.model.store import is_file
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
"""Folders whose keys are published on purpose."""


def path_of(directive: Directive) -> str | None:
    """The path of the file in a directive's first argument; None if it is not known or not a file."""
    path = directive.args[0] if directive.args else ""
    return path if path and directive.known and is_file(path) else None


def real_path(directive: Directive, configuration: Configuration) -> str | None:
    """The path of a directive's file with links resolved; None if the file may not be read."""
    path = path_of(directive)
    files, base = configuration.store.files, configuration.store.base
    if path is None or files is None:
        return None
    found = configuration.memo(("real path", path), lambda: files.locate(path, base))
    return str(found) if found else None


class OnDisk(NamedTuple):
    """A local file with the folders that lead to it, the nearest first, each with its state."""

    path: str
    state: os.stat_result
    folders: dict[str, os.stat_result]
    """The folders of the file itself, where links lead to it."""
    named: dict[str, os.stat_result]
    """The folders of the path in the configuration, if that is a link from elsewhere."""

    @property
    def mode(self) -> int:
        return stat.S_IMODE(self.state.st_mode)


def on_disk(directive: Directive, configuration: Configuration) -> OnDisk | None:
    """The file of a directive on a host or in an image; None in a checkout, where file modes have no meaning."""
    path, files = path_of(directive), configuration.store.files
    if path is None or files is None or not configuration.store.sees_machine:
        return None
    real = real_path(directive, configuration)
    if real is None or checkout_of(posixpath.dirname(real)) is not None:
        return None
    state = files.stat(path, configuration.store.base)
    if isinstance(state, Unreachable) or not stat.S_ISREG(state.st_mode):
        return None
    named = files.locate(posixpath.dirname(path) or ".", configuration.store.base)
    real_folder = posixpath.dirname(real)
    others = _folders(str(named), configuration) if named and str(named) != real_folder else {}
    return OnDisk(path, state, _folders(real_folder, configuration), others)


def _folders(folder: str, configuration: Configuration) -> dict[str, os.stat_result]:
    """A resolved folder and its parents, by their paths on the host or image of the configuration."""
    return configuration.memo(("folders", folder), lambda: _states(folder, configuration))


def _states(folder: str, configuration: Configuration) -> dict[str, os.stat_result]:
    files, found = configuration.store.files, {}
    assert files
    parts = [part for part in posixpath.relpath(folder, files.root or "/").split("/") if part != "."]
    # The top folder of an image belongs to the host that holds the image.
    for depth in range(len(parts), 0 if files.root else -1, -1):
        path = "/" + "/".join(parts[:depth])
        state = files.stat(path)
        if not isinstance(state, Unreachable):
            found[path] = state
    return found


class KeyReadableByOthers(Rule):
    """Every user of the host can read a private key, a password file or a session ticket key.

    The nginx master process reads keys as root before it drops its privileges, so no other user needs access. A
    compromised program or a backup can copy the key.

    Clients: no difference. A user or program of the host that copies the key can impersonate the server; with a ticket
    key, it can decrypt recorded TLS 1.2 sessions.

    Fix: `chmod 600` and `chown root`, or `chmod 640` with a group such as Debian's `ssl-cert`.

    Only files of a host or an image (`/etc/nginx`, `--root`) are checked. Files of a repository are not, because git
    does not store permissions.

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
            what = "read" if others & stat.S_IROTH else "change"
            yield self.at(
                directive,
                f"every user can {what} {file.path}: its mode is {file.mode:04o}",
                arg=0,
                help=f"run `chmod 600 {file.path}`",
            )


class KeyInWritableFolder(Rule):
    """Every user of the host can replace a key, because a folder of its path is writable by all users.

    Write permission on a folder permits renaming and replacing its files regardless of their own modes, unless the
    folder is sticky, as `/tmp` is. At the next reload, nginx uses a key that another user chose.

    Clients: nothing until a user of the host replaces the file. Then nginx refuses to load it, or, if the certificate
    could be replaced as well, clients get that user's certificate.

    Fix: `chmod o-w` for the folder.

    Only files of a host or an image (`/etc/nginx`, `--root`) are checked, not those of a repository.

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
                        help=f"run `chmod o-w {folder}`",
                    )
                    return


class KeyOwnedByWorker(Rule):
    """A private key, or a folder of its path, is owned by the user of the nginx worker processes.

    Workers handle the connections of all clients without the privileges of the master process, so that a compromised
    worker cannot read the keys: the master has loaded them as root. The owner of a file or folder can read or replace
    it regardless of its mode.

    Clients: no difference. Whoever takes over a worker process can read the key, and impersonate the server from any
    other machine.

    Fix: `chown root`.

    It is reported only if a `user` directive shows that the master runs as root and the user is known (`/etc/passwd` of
    the host or image). Certificates with variables in their path are loaded by the workers and are not checked.

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
                f"a compromised worker can read the key: {owned} belongs to {name}, the user of the workers",
                arg=0,
                labels=[label(users[0], "the user of the workers", 0)],
                help=f"run `chown root {owned}`",
            )


def _user_number(name: str, configuration: Configuration) -> int | None:
    """The ID of a user on the host or image of the configuration; None for root and unknown users."""
    content = configuration.store.files.read("/etc/passwd") if configuration.store.files else None
    for line in content.decode("utf-8", "replace").splitlines() if isinstance(content, bytes) else ():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 2 and fields[2].isdecimal():
            return int(fields[2]) or None
    return None


class KeyInRepository(Rule):
    """A private key is under version control: anyone with a copy of the repository has the key permanently.

    Removing the file does not help, because it remains in the history and in all clones.

    Clients: no difference. Whoever has a copy of the repository can impersonate the server, and read recorded TLS 1.2
    traffic without forward secrecy.

    Fix: generate a new key, revoke the certificate, and deploy keys by other means.

    Keys that git does not track (ignored ones, for example) and keys in folders for tests and examples are not
    reported. Encrypted keys are reported as a warning.

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
        path, files = path_of(directive), configuration.store.files
        real = real_path(directive, configuration)
        if path is None or files is None or real is None or not is_tracked(real):
            return
        top = checkout_of(posixpath.dirname(real)) or "/"
        inside = posixpath.relpath(real, top)
        if any(TEST_FOLDER.search(part.lower()) for part in inside.split("/")[:-1]):
            return
        content = files.read(path, configuration.store.base)
        if not isinstance(content, bytes) or b"PRIVATE KEY-----" not in content:
            return
        finding = self.at(
            directive,
            f"the private key {inside} is under version control",
            arg=0,
            help="generate a new key, keep it out of the repository, and revoke the certificate",
        )
        encrypted = b"ENCRYPTED" in content
        yield finding.replace(severity=Severity.WARNING, security_severity=5.0) if encrypted else finding


class MissingCertificateFile(Rule):
    """A certificate or key file does not exist, and nginx does not start.

    This applies even to a file that is never used, as in a server that does not listen with TLS (measured).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: correct the path, or create the file.

    It is reported only for complete configurations and only if every file of the host or image may be read. nginx may
    never load a file that nothing includes, such as a disabled site. Otherwise the file is counted as not checked.

    ```nginx bad
    # /etc/nginx/tls/shop.pem does not exist
    ssl_certificate /etc/nginx/tls/shop.pem;
    ```

    ```nginx good
    ssl_certificate /etc/nginx/tls/$ssl_server_name.pem;
    ```
    """

    severity = Severity.ERROR
    references = (f"{NGINX_SSL}#ssl_certificate", KEY)
    needs = ("ssl_certificate", "ssl_conf_command")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        for bundle in configuration.bundles:
            for directive, path, also in (
                (bundle.directive, bundle.path, bundle.also),
                (bundle.key_directive, bundle.key_path, bundle.also_key),
            ):
                if directive is not None and path and configuration.store.is_missing(path):
                    yield self.at(
                        directive,
                        f"nginx does not start: {path} {configuration.store.missing_as(path)}",
                        arg=0,
                        help="correct the path, or create the file",
                        endpoints=served_on(configuration.servers_of(bundle)),
                        also=also,
                    )


class MissingInclude(Rule):
    """An `include` names a file that does not exist, and nginx does not start.

    It is an error for a path without wildcards, and for a symbolic link that a pattern matches and whose target is
    gone, such as a site in `sites-enabled/` whose file was deleted. A pattern that matches nothing is none (measured on
    nginx 1.18.0 to 1.30.6).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: correct the path, create the file, or remove the link.

    It is only reported where all of the machine or image can be read. In a repository such an include is listed as not
    checked.

    ```nginx bad
    include /etc/letsencrypt/options-ssl-nginx.conf;
    ```

    ```nginx good
    include /etc/letsencrypt/options-ssl-*.conf;
    ```
    """

    severity = Severity.ERROR
    references = ("https://nginx.org/en/docs/ngx_core_module.html#include",)
    needs = ("include",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for failed in failed_includes(configuration):
            if not failed.is_folder:
                how = f"is {failed.reason}" if "link" in failed.reason else "does not exist"
                yield self.at(
                    failed.directive,
                    f"nginx does not start: the included file {failed.path} {how}",
                    arg=0,
                    help=f"create {failed.path}, or remove the include",
                )
