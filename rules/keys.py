"""Rules about certificate and key files: what nginx cannot load, what does not belong together, what others may see."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.bundles import at_bundle, chain_of, served_on
from nginxtls.rules.common.grouping import is_absent, listed
from nginxtls.rules.pem_files import hidden_by_mark, lacks_leaf

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.model.bundles import fill_slots
from nginxtls.model.store import is_file
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, ServedBundle
    from nginxtls.syntax.tree import Directive

CERTIFICATE = f"{NGINX_SSL}#ssl_certificate"
KEY = f"{NGINX_SSL}#ssl_certificate_key"
PEM = "https://www.rfc-editor.org/rfc/rfc7468"


class KeyMismatch(Rule):
    """The private key does not belong to the certificate, and nginx does not start.

    It says `key values mismatch` (measured). After a renewal one of the two files was perhaps not copied; or the file
    of certificates begins with another one than the leaf, which is told as wrong-order.

    Mend: name the key that was made for this certificate.

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
            f'nginx does not start: this key does not belong to the certificate for "{bundle.leaf.subject_name}"',
            arg=0,
            label="another certificate's key",
            labels=[label(bundle.directive, "its public key is another", 0)],
            help=_right_key(configuration, bundle),
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also_key,
        )


def _differ(bundle: ServedBundle) -> bool:
    """Key and first certificate are both known and are no pair, and that certificate is the leaf."""
    chain = chain_of(bundle)
    if lacks_leaf(bundle) or hidden_by_mark(bundle) is not None:
        return False  # missing-leaf, byte-order-mark
    return chain is not None and not chain.leaf_place and bundle.key_matches is False


def _right_key(configuration: Configuration, bundle: ServedBundle) -> str:
    """Where the right key is, if another server has it."""
    wanted = bundle.leaf.public_key_sha256 if bundle.leaf else ""
    for other in configuration.bundles:
        if other is not bundle and other.key is not None and other.key.public_key_sha256 == wanted:
            return f"{other.key_path} is its key"
    return "name the key that was made for this certificate"


class KeyTypeMismatch(Rule):
    """The key is of another type than its certificate: nginx starts, and never sends that certificate.

    OpenSSL keeps a place for each type of key. An EC key given with an RSA certificate goes to the place for EC, where
    there is no certificate, and the RSA certificate stays without a key. `nginx -t` is silent, and clients get a
    handshake failure (measured on nginx 1.18.0 to 1.30.6).

    Mend: name the key that was made for this certificate.

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
                f'the certificate for "{bundle.leaf.subject_name}" is never sent: it has a key of type {kind}, '
                f"and this one is {other}",
                arg=0,
                labels=[label(bundle.directive, f"an {kind} certificate", 0)],
                help=_right_key(configuration, bundle),
                endpoints=served_on(lost),
                also=bundle.also_key,
            )


class UnusableCertificateFile(Rule):
    """The file of `ssl_certificate` cannot be loaded, and nginx does not start.

    It must be PEM. DER and PKCS #12 files, an empty one, a web page that a failed download left, a private key, files
    joined without a newline between (`-----END CERTIFICATE----------BEGIN CERTIFICATE-----`) and damaged ones are told
    by what they are. Text between the certificates, CRLF and keys in the same file are fine (measured).

    Mend: convert the file (`openssl x509`, `openssl pkcs12`), or take the right one.

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
        what = problem.message if problem else "there is no certificate in it"
        where = f" (line {problem.line})" if problem and problem.line > 1 else ""
        swapped = problem is not None and problem.kind == "key-only" and "certificate" in bundle.key_unreadable
        yield self.at(
            bundle.directive,
            f"nginx does not start: {bundle.path}: {what}{where}",
            arg=0,
            help="the certificate and its key are swapped" if swapped else "give a PEM file with the certificates",
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also,
        )


class UnusableKey(Rule):
    """The file of `ssl_certificate_key` has no key that nginx could load, and nginx does not start.

    Mend: name the PEM file of the key.

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
        if why and "encrypted" not in why and "not known here" not in why and bundle.key_directive:
            yield self.at(
                bundle.key_directive,
                f"nginx does not start: {bundle.key_path}: {why}",
                arg=0,
                help="name the PEM file of the key",
                endpoints=served_on(configuration.servers_of(bundle)),
                also=bundle.also_key,
            )


def _unread_key(bundle: ServedBundle) -> str | None:
    """Why a key file that is there holds no key that can be loaded; None if it does or cannot be read."""
    if bundle.bundle is None or not bundle.bundle.loads or bundle.key_directive is None or "$" in bundle.key_path:
        return None
    if bundle.key is not None or not bundle.store.was_read(bundle.key_path):
        return None
    return bundle.key_unreadable


class EncryptedKeyWithoutPassword(Rule):
    """The private key is encrypted, and no `ssl_password_file` has a password for it.

    nginx asks for it on the terminal, at each start; where there is none, as at boot, it does not start (measured).

    Each server that names the key needs its password, even if another one has it (measured).

    Mend: put the password into an `ssl_password_file` that only root can read, or keep the key without one.

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
            f"the key cannot be loaded without a person at the terminal: {why}",
            arg=0,
            label="encrypted",
            help="give its password in an ssl_password_file",
            endpoints=served_on(configuration.servers_of(bundle)),
            also=bundle.also_key,
        )

    def _lacking(self, configuration: Configuration, bundle: ServedBundle) -> Iterator[Finding]:
        """Each server needs the password, even if another one with the same key has it (measured)."""
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
                "the key cannot be loaded without a person at the terminal: only other servers have its password",
                arg=0,
                label="encrypted",
                help="give its password here, too, or in http: ssl_password_file",
                endpoints=served_on(lacking),
                also=lines[1:],
            )


class CertificateWithoutKey(Rule):
    """An `ssl_certificate` has no `ssl_certificate_key`, and nginx does not start.

    Both are lists of the same length, and each is inherited on its own: a server with a certificate of its own gets the
    key of http only if it has none itself.

    Mend: add the key.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "key" and refusal.message.startswith('no "ssl_certificate_key"'):
                yield self.at(
                    refusal.directive,
                    "nginx does not start: this certificate has no ssl_certificate_key",
                    arg=0,
                    help="add the key",
                )


class CertificatePathWithVariables(Rule):
    """`ssl_certificate` or its key has variables in its path: it is loaded at each handshake, and checked by nobody.

    A worker loads it, so the key must be readable for the worker's user and not only for root; `nginx -t` never sees
    it, and it cannot be stapled. `ssl_certificate_cache` (since 1.27.4) keeps it loaded.

    Mend: name the files, if they are few; else set `ssl_certificate_cache`.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for bundle in configuration.bundles:
            if "$" in bundle.path and not bundle.path.startswith("data:"):
                yield self.at(
                    bundle.directive,
                    "a certificate with variables in its path is loaded at each handshake, and checked by nobody",
                    arg=0,
                    help="set ssl_certificate_cache, or name the files",
                    endpoints=served_on(configuration.servers_of(bundle)),
                    also=bundle.also,
                )


class KeyLogEnabled(Rule):
    """The secrets of all TLS sessions are written to a file: whoever reads it can decrypt the recorded traffic.

    `ssl_key_log` and its kin are for a laboratory.

    Mend: remove the line.

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
        if directive.args[:1] != ("off",):
            yield self.at(directive, f"{directive.name} writes the secrets of all sessions to a file", help="remove it")


class KeyInWebRoot(Rule):
    """A private key lies below a folder whose files nginx serves: anyone can fetch it.

    Mend: move keys out of what is served, and take a new key: this one may be known.

    What it does not see: whether a location forbids it.

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
                    f"this key lies below {served.args[0]}, whose files nginx serves",
                    arg=0,
                    labels=[label(served, "served to anyone", 0)],
                    help="move it out of there, and take a new key",
                )


def _absolute(path: str, base: str | None) -> str | None:
    """Where a key lies: relative paths start from the folder of the main file; None for what is no file."""
    if "$" in path or not is_file(path) or not (path.startswith("/") or (base and base.startswith("/"))):
        return None
    return posixpath.normpath(posixpath.join(base or "/", path))


class SharedKey(Rule):
    """One private key serves certificates of unlike names: whoever gets it has them all.

    Mend: a key for each certificate.

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
                f"the key of {listed(leaf.dns_names, 2)} is also that of {listed(sorted(names), 2)}",
                notes=(f"the other certificate is {other.path}",),
                help="make a key for each",
            )
