"""Rules about certificate and key files: files that nginx cannot load, mismatched pairs, and exposed keys."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import at_bundle, chain_of, served_on
from nginxtls.rules.common.edits import removal
from nginxtls.rules.common.grouping import is_absent, listed
from nginxtls.rules.pem_files import hidden_by_mark, lacks_leaf

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.model.bundles import fill_slots
from nginxtls.model.store import is_file
from nginxtls.rule import NGINX_SSL, Fix, Rule, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle
    from nginxtls.syntax.tree import Directive

CERTIFICATE = f"{NGINX_SSL}#ssl_certificate"
KEY = f"{NGINX_SSL}#ssl_certificate_key"
PEM = "https://www.rfc-editor.org/rfc/rfc7468"


class KeyMismatch(Rule):
    """The private key does not match the certificate, and nginx does not start.

    nginx reports `key values mismatch` (measured). The usual cause is a renewal after which only one of the two files
    was copied. If the file begins with a certificate other than the leaf, `wrong-order` is reported instead.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: use the key that was generated for this certificate.

    ```nginx bad, certificate: good.pem, key: other.key
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: other.pem, key: other.key
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    references = (KEY,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        if not _differ(bundle) or bundle.leaf is None or bundle.key is None or bundle.key_directive is None:
            return
        same_type = bundle.leaf.key.kind == bundle.key.key.kind
        if not same_type and all(
            fill_slots(server.bundles)[1] is not bundle for server in configuration.servers_of(bundle)[:10]
        ):
            return
        yield self.at(
            bundle.key_directive,
            f'nginx does not start: this key does not match the certificate for "{bundle.leaf.subject_name}"',
            arg=0,
            label="the key of another certificate",
            labels=[label(bundle.directive, "this certificate has another public key", 0)],
            help=_right_key(configuration, bundle),
            fix=_with_right_key(configuration, bundle),
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also_key,
        )


def _differ(bundle: ServedBundle) -> bool:
    """Key and first certificate are both known and do not match, and that certificate is the leaf."""
    chain = chain_of(bundle)
    if lacks_leaf(bundle) or hidden_by_mark(bundle) is not None:
        return False  # missing-leaf, byte-order-mark
    return chain is not None and not chain.leaf_place and bundle.key_matches is False


def _right_key(configuration: Configuration, bundle: ServedBundle) -> str:
    """The help line: the path of the matching key if another server uses it."""
    if other := _with_that_key(configuration, bundle):
        return f"set the path to {other.key_path}, which matches the certificate"
    return "use the key that was generated for this certificate"


def _with_right_key(configuration: Configuration, bundle: ServedBundle) -> Fix | None:
    """The fix that names the matching key if another server uses it."""
    other = _with_that_key(configuration, bundle)
    if other is None or bundle.key_directive is None or other.key_directive is None:
        return None
    path = other.key_directive.arg_text(0)
    return Fix(f"set the path to {other.key_path}", (replace_argument(bundle.key_directive, 0, path),))


def _with_that_key(configuration: Configuration, bundle: ServedBundle) -> ServedBundle | None:
    """Another bundle whose key matches the certificate."""
    wanted = bundle.leaf.public_key_sha256 if bundle.leaf else ""
    others = (each for each in configuration.bundles if each is not bundle and each.key is not None)
    return next((each for each in others if each.key and each.key.public_key_sha256 == wanted), None)


class KeyTypeMismatch(Rule):
    """The key has another type than its certificate: nginx starts but never sends the certificate.

    OpenSSL keeps one slot for each key type. An EC key configured with an RSA certificate goes into the EC slot, which
    has no certificate, and the RSA certificate remains without a key. `nginx -t` does not report it, and clients
    receive a handshake failure (measured on nginx 1.18.0 to 1.30.6).

    Clients: none connects: ERR_SSL_VERSION_OR_CIPHER_MISMATCH, SSL_ERROR_NO_CYPHER_OVERLAP, `handshake failure` in curl
    (code 35).

    Fix: use the key that was generated for this certificate.

    ```nginx bad, certificate: good-rsa.pem, key: good.key
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 3.7
    references = (KEY,)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        if not _differ(bundle) or bundle.leaf is None or bundle.key is None or bundle.key_directive is None:
            return
        kind, other = bundle.leaf.key.kind, bundle.key.key.kind
        if kind == other:
            return
        lost = []
        for server in configuration.servers_of(bundle):
            sent, refused = fill_slots(server.bundles)
            if bundle not in sent and refused is None:
                lost.append(server)
        if lost:
            yield self.at(
                bundle.key_directive,
                f'the certificate for "{bundle.leaf.subject_name}" is never sent: its key type is {kind}, '
                f"but this key is {other}",
                arg=0,
                labels=[label(bundle.directive, f"key type {kind}", 0)],
                help=_right_key(configuration, bundle),
                fix=_with_right_key(configuration, bundle),
                endpoints=served_on(lost),
                also=bundle.also_key,
            )


class UnusableCertificateFile(Rule):
    """nginx cannot load the file of `ssl_certificate` and does not start.

    The file must be PEM. The message names what it is instead: DER, PKCS #12, empty, a web page from a failed download,
    a private key, certificates joined without a newline (`-----END CERTIFICATE----------BEGIN CERTIFICATE-----`), or
    damaged. Text between the certificates, CRLF line ends and keys in the same file are accepted (measured).

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: convert the file (`openssl x509`, `openssl pkcs12`), or use the right one.

    ```nginx bad, certificate: der.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx bad, certificate: glued.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: text.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    references = (CERTIFICATE, PEM)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        content = bundle.bundle
        if content is None or content.loads:
            return
        problem = content.problems[-1] if content.problems else None
        what = problem.message if problem else "the file contains no certificate"
        where = f" (line {problem.line})" if problem and problem.line > 1 else ""
        swapped = problem is not None and problem.kind == "key-only" and "certificate" in bundle.key_unreadable
        yield self.at(
            bundle.directive,
            f"nginx does not start: {bundle.path}: {what}{where}",
            arg=0,
            help="swap the paths of `ssl_certificate` and `ssl_certificate_key`"
            if swapped
            else "use a PEM file that contains the certificates",
            fix=_swapped(bundle) if swapped else None,
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also,
        )


def _swapped(bundle: ServedBundle) -> Fix | None:
    """The fix that swaps the paths of a certificate and its key."""
    key = bundle.key_directive
    if key is None:
        return None
    paths = bundle.directive.arg_text(0), key.arg_text(0)
    return Fix("swap the paths", (replace_argument(bundle.directive, 0, paths[1]), replace_argument(key, 0, paths[0])))


class UnusableKey(Rule):
    """The file of `ssl_certificate_key` contains no key that nginx can load, and nginx does not start.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: use the PEM file of the key.

    ```nginx bad, certificate: good.pem, key: good.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem, key: ec-parameters.key
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    references = (KEY, PEM)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        why = _unread_key(bundle)
        if why and "encrypted" not in why and "not known" not in why and bundle.key_directive:
            yield self.at(
                bundle.key_directive,
                f"nginx does not start: {bundle.key_path}: {why}",
                arg=0,
                help="use the PEM file of the key",
                endpoints=served_on(configuration.servers_of(bundle)),
                also=bundle.also_key,
            )


def _unread_key(bundle: ServedBundle) -> str | None:
    """Why an existing key file contains no key that can be loaded; None if it does or cannot be read."""
    if bundle.bundle is None or not bundle.bundle.loads or bundle.key_directive is None or "$" in bundle.key_path:
        return None
    if bundle.key is not None or not bundle.store.was_read(bundle.key_path):
        return None
    return bundle.key_unreadable


class EncryptedKeyWithoutPassword(Rule):
    """The private key is encrypted, and no `ssl_password_file` contains its password.

    nginx prompts for the password on the terminal at each start. Without a terminal, as at boot, it does not start
    (measured).

    Every server that uses the key needs the password, even if another server has it (measured).

    Clients: connection refused after a reboot, and until somebody types the password.

    Fix: put the password into an `ssl_password_file` that only root can read, or store the key without a password.

    ```nginx bad, certificate: good.pem, key: encrypted.key
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good.pem, key: encrypted.key
    ssl_password_file certificates/password;
    ```
    """

    severity = Severity.ERROR
    references = (f"{NGINX_SSL}#ssl_password_file",)

    def check_bundle(self, bundle: ServedBundle, configuration: Configuration) -> Iterator[Finding]:
        why = _unread_key(bundle)
        if bundle.key is not None and bundle.key.encrypted:
            yield from self._lacking(configuration, bundle)
        if not why or "encrypted" not in why or bundle.key_directive is None:
            return
        for server in configuration.servers_of(bundle):
            setting = server.setting("ssl_password_file")
            readable = all(bundle.store.was_read(path) for path in setting.values)
            if not readable or (setting.is_default and not setting.certain):
                return
        yield self.at(
            bundle.key_directive,
            f"nginx prompts for the password of the key at each start: {why}",
            arg=0,
            label="encrypted",
            help="set `ssl_password_file` to a file with the password",
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also_key,
        )

    def _lacking(self, configuration: Configuration, bundle: ServedBundle) -> Iterator[Finding]:
        """Every server needs the password, even if another server with the same key has it (measured)."""
        lacking = [
            server for server in configuration.servers_of(bundle) if is_absent(server.setting("ssl_password_file"))
        ]
        lines = [
            line
            for server in lacking
            for line in server.setting("ssl_certificate_key").directives
            if line.args[:1] == (bundle.key_path,)
        ]
        if lines and len(lacking) < len(configuration.servers_of(bundle)):
            yield self.at(
                lines[0],
                "nginx prompts for the password of the key at each start: only other servers configure it",
                arg=0,
                label="encrypted",
                help="set `ssl_password_file` in this server, too, or in the http block",
                endpoints=served_on(lacking),
                also=lines[1:],
            )


class CertificateWithoutKey(Rule):
    """An `ssl_certificate` has no `ssl_certificate_key`, and nginx does not start.

    Both directives are lists of the same length, and each is inherited separately: a server with its own certificate
    inherits the key of the http block only if it has no key of its own.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: add `ssl_certificate_key`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (KEY,)
    needs = ("ssl_certificate",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "key" and refusal.message.startswith('no "ssl_certificate_key"'):
                yield self.at(
                    refusal.directive,
                    "nginx does not start: this certificate has no `ssl_certificate_key`",
                    arg=0,
                    help="add `ssl_certificate_key` with the path of its key",
                )


class CertificatePathWithVariables(Rule):
    """The path of `ssl_certificate` or its key contains variables: nginx loads the file at each handshake, unchecked.

    A worker process loads it, so the key must be readable by the user of the workers and not only by root. `nginx -t`
    never checks the file, and nginx staples no OCSP response for it. `ssl_certificate_cache` (since 1.27.4) keeps the
    certificate in memory.

    Clients: a slower handshake, as the file is read each time. If the file is missing or not readable, the alert
    `internal error` (ERR_SSL_PROTOCOL_ERROR, `curl: (35)`), although `nginx -t` passes.

    Fix: set the paths without variables if there are only a few certificates; otherwise set `ssl_certificate_cache`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate /etc/nginx/tls/$ssl_server_name.pem;
        ssl_certificate_key /etc/nginx/tls/$ssl_server_name.key;
    }
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    pedantic = True
    since = "nginx 1.15.9"
    references = (CERTIFICATE, f"{NGINX_SSL}#ssl_certificate_cache")
    needs = ("ssl_certificate", "ssl_conf_command")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for bundle in configuration.bundles:
            if "$" in bundle.path and not bundle.path.startswith("data:"):
                yield self.at(
                    bundle.directive,
                    "nginx loads a certificate with variables in its path at each handshake, and `nginx -t` skips it",
                    arg=0,
                    help="set `ssl_certificate_cache`, or set the path without variables",
                    endpoints=served_on(configuration.servers_of(bundle)),
                    also=bundle.also,
                )


class KeyLogEnabled(Rule):
    """The secrets of all TLS sessions are written to a file; anyone who reads it can decrypt recorded traffic.

    The directives belong to NGINX Plus: open-source nginx does not start with them (`unknown directive`). They are for
    debugging in a test environment.

    Clients: with open-source nginx, connection refused once it is restarted. With NGINX Plus no difference; whoever
    reads the file can decrypt recorded connections.

    Fix: remove the directive.

    ```nginx bad
    proxy_ssl_key_log /var/log/nginx/keys.log;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.2
    cwe = (532,)
    since = "nginx 1.27.2"
    references = (
        f"{NGINX_SSL}#ssl_key_log",
        "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ssl_key_log",
    )
    directives = ("ssl_key_log", "proxy_ssl_key_log", "grpc_ssl_key_log", "uwsgi_ssl_key_log")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if directive.args[:1] == ("off",):
            return
        if configuration.facts.provenance.open_source:
            message = f"nginx does not start: only NGINX Plus has `{directive.name}`"
            notes = ["NGINX Plus would write the secrets of all TLS sessions to the file"]
        else:
            message = f"`{directive.name}` writes the secrets of all TLS sessions to a file"
            notes = ["only NGINX Plus has this directive; open-source nginx does not start with it"]
        fix = removal(directive, safe=True)
        yield self.at(directive, message, notes=notes, help=f"remove `{directive.name}`", fix=fix)


class KeyInWebRoot(Rule):
    """A private key is in a folder whose files nginx serves, so anyone can download it.

    Clients: no difference. Whoever guesses the URL downloads the key, and can then impersonate the server.

    Fix: move the key out of the served folder and replace it with a new key, because it may have been downloaded.

    Limitations: a location that denies access to the file is not considered.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        root /var/www/shop;
        ssl_certificate /var/www/shop/tls/shop.pem;
        ssl_certificate_key /var/www/shop/tls/shop.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        root /var/www/shop/public;
        ssl_certificate /var/www/shop/tls/shop.pem;
        ssl_certificate_key /var/www/shop/tls/shop.key;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 8.6
    cwe = (538, 219)
    references = ("https://nginx.org/en/docs/http/ngx_http_core_module.html#root", KEY)
    needs = ("ssl_certificate_key",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        lines = configuration.directives("ssl_certificate_key")
        paths = {d: _absolute(d.args[0], configuration.store.base) for d in lines if d.known and d.args}
        keys = [d for d, path in paths.items() if path is not None]
        if not keys:
            return
        folders: dict[str, Directive] = {}
        for name in ("root", "alias"):
            for directive in configuration.directives(name):
                if directive.known and directive.args and re.fullmatch(r"/[^$]+", directive.args[0]):
                    folders.setdefault(posixpath.normpath(directive.args[0]), directive)
        for key in keys:
            parts = (paths[key] or "").split("/")
            served = next((f for i in range(1, len(parts)) if (f := folders.get("/".join(parts[:i])))), None)
            if served is not None:
                yield self.at(
                    key,
                    f"anyone can download this key: nginx serves the files below {served.args[0]}",
                    arg=0,
                    labels=[label(served, "served to all clients", 0)],
                    help=f"move it out of {served.args[0]}, and replace it with a new key",
                )


def _absolute(path: str, base: str | None) -> str | None:
    """Where a key lies: relative paths start from the folder of the main file; None for what is not a file."""
    if "$" in path or not is_file(path) or not (path.startswith("/") or (base and base.startswith("/"))):
        return None
    return posixpath.normpath(posixpath.join(base or "/", path))


class SharedKey(Rule):
    """One private key is used by certificates for unrelated names: a leaked key compromises all of them.

    Clients: no difference. Whoever obtains the key can impersonate all of these names.

    Fix: use a separate key for each certificate.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name xn--bcher-kva.example;
        ssl_certificate certificates/idna.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name other.example;
        ssl_certificate certificates/other.pem;
        ssl_certificate_key certificates/other.key;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    pedantic = True
    cwe = (320,)
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-7.2", KEY)
    needs = ("ssl_certificate", "ssl_conf_command")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        first: dict[str, ServedBundle] = {}
        for bundle in configuration.bundles:
            leaf = bundle.leaf
            if leaf is None or chain_of(bundle) is None or not leaf.dns_names:
                continue
            other = first.setdefault(leaf.public_key_sha256, bundle)
            names = set(other.leaf.dns_names) if other.leaf else set()
            if other is bundle or other.leaf is leaf or names & set(leaf.dns_names):
                continue
            yield from at_bundle(
                self,
                configuration,
                bundle,
                f"one private key is used for {listed(leaf.dns_names, 2)} and for {listed(sorted(names), 2)}",
                notes=(f"the other certificate is {other.path}",),
                help="generate a separate key for each certificate",
            )
